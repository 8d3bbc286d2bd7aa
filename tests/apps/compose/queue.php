<?php

declare(strict_types=1);

require __DIR__ . '/store.php';

// Docker's own first process hands SIGTERM on, which ends PHP.
while (true) {
    store('SET worker ' . version());
    usleep(100_000);
}
