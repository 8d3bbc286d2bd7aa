<?php

declare(strict_types=1);

require dirname(__DIR__) . '/vendor/autoload.php';

header('Content-Type: text/plain; charset=utf-8');

if (isset($_GET['env'])) {
    // What the application sees of its environment: the bytes, in base64.
    echo base64_encode((string) getenv((string) $_GET['env']));
    return;
}
if (isset($_GET['wait_ms'])) {
    usleep(1000 * min(20000, (int) $_GET['wait_ms']));
}
echo Acme\Greeting::text(), "\n";
