<?php

declare(strict_types=1);

require __DIR__ . '/store.php';

echo 'prepares version ' . version() . "\n";
if (version() === 'unprepared') {
    echo "there is no way\n";
    exit(3);
}
exit(store('ADD tasks ' . version()) === 'ok' ? 0 : 1);
