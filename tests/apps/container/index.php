<?php

declare(strict_types=1);

// Speaks HTTP itself, on PHP's own server: what a container with any other language would do.
$version = trim((string) file_get_contents(__DIR__ . '/built-version'));
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: text/plain; charset=utf-8');

if (isset($_GET['env'])) {
    echo base64_encode((string) getenv((string) $_GET['env']));
    return;
}
if (isset($_GET['wait_ms'])) {
    usleep(1000 * min(20000, (int) $_GET['wait_ms']));
}
switch ($path) {
    case '/up':
        http_response_code($version === 'unwell' ? 500 : 200);
        echo $version;
        break;
    case '/container':
        echo gethostname();
        break;
    case '/about':
        echo json_encode([
            'uid' => posix_geteuid(),
            'secret' => file_exists(__DIR__ . '/secret.txt'),
            'host' => $_SERVER['HTTP_HOST'] ?? '',
            'proto' => $_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '',
            'for' => $_SERVER['HTTP_X_FORWARDED_FOR'] ?? '',
            'body' => strlen((string) file_get_contents('php://input')),
        ]);
        break;
    case '/tables':
        $database = new PDO(
            'mysql:unix_socket=' . getenv('DB_SOCKET') . ';dbname=' . getenv('DB_DATABASE'),
            getenv('DB_USERNAME'),
            getenv('DB_PASSWORD'),
        );
        echo $database->query('SELECT database()')->fetchColumn();
        break;
    case '/kept':
        $file = getenv('DEVFLOW_SHARED') . '/kept.txt';
        if ($_SERVER['REQUEST_METHOD'] === 'POST') {
            file_put_contents($file, file_get_contents('php://input'));
        }
        echo is_file($file) ? file_get_contents($file) : '';
        break;
    default:
        echo "Container, version $version\n";
}
