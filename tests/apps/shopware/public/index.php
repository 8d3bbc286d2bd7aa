<?php

require dirname(__DIR__) . '/vendor/autoload.php';

$version = trim((string) file_get_contents(dirname(__DIR__) . '/VERSION'));
echo 'Shop ', $version, ' on ', Acme\Shop\Commands::core(), ' in ', getenv('APP_ENV'), "\n";
