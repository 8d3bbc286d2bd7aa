<?php

declare(strict_types=1);

require __DIR__ . '/store.php';

header('Content-Type: text/plain; charset=utf-8');
if (isset($_GET['wait_ms'])) {
    usleep(1000 * min(20000, (int) $_GET['wait_ms']));
}
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/up':
        http_response_code(version() === 'unwell' ? 500 : 200);
        echo version();
        break;
    case '/boot':
        echo store('BOOT');
        break;
    case '/kept':
        if (isset($_GET['set'])) {
            store('SET kept ' . $_GET['set']);
        }
        echo store('GET kept');
        break;
    case '/tasks':
        echo str_replace("\n", ' ', store('GET tasks'));
        break;
    case '/worker':
        echo store('GET worker');
        break;
    case '/peer':
        // By the name that others have for this service.
        echo file_get_contents('http://web:8080/up');
        break;
    case '/upload':
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            file_put_contents('/uploads/one', file_get_contents('php://input'));
        }
        echo is_file('/uploads/one') ? file_get_contents('/uploads/one') : '';
        break;
    case '/about':
        $names = array_keys(getenv());
        sort($names);
        echo json_encode([
            'uid' => posix_geteuid(),
            'greeting' => getenv('GREETING'),
            'passed' => getenv('PASSED'),
            'built' => file_get_contents(__DIR__ . '/built-greeting'),
            'secret' => in_array('SECRET', $names, true),
        ]);
        break;
    default:
        echo 'Compose, version ' . version() . "\n";
}
