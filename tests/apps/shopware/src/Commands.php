<?php

namespace Acme\Shop;

use Composer\InstalledVersions;
use Symfony\Component\Console\Application;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** Commands that are called as Shopware's and note that they ran. */
final class Commands
{
    private const NAMES = [
        'about', 'assets:install', 'cache:pool:clear', 'cache:warmup', 'dal:refresh:index', 'messenger:consume',
        'messenger:setup-transports', 'messenger:stop-workers', 'plugin:refresh', 'scheduled-task:register',
        'scheduled-task:run', 'system:check', 'system:update:finish', 'theme:compile', 'theme:refresh',
    ];

    public static function application(string $root): Application
    {
        $application = new Application('A Symfony console in Shopware\'s place');
        foreach (self::NAMES as $name) {
            $run = static fn (InputInterface $input, OutputInterface $output): int => self::run($name, $root, $output);
            $application->register($name)->ignoreValidationErrors();
            $application->find($name)->setCode($run);
        }

        return $application;
    }

    public static function core(): string
    {
        return (string) InstalledVersions::getPrettyVersion('shopware/core');
    }

    private static function run(string $name, string $root, OutputInterface $output): int
    {
        $words = implode(' ', array_slice($_SERVER['argv'], 1));
        $line = str_replace(' --no-interaction', '', $words);
        file_put_contents("$root/files/console.log", $line . "\n", FILE_APPEND | LOCK_EX);
        $output->writeln("$name of " . self::core());
        switch ($name) {
            case 'messenger:consume':
            case 'scheduled-task:run':
                pcntl_async_signals(true);
                pcntl_signal(SIGTERM, static function (): void { exit(0); });
                while (true) {
                    sleep(1);
                }
                // no break
            case 'theme:compile':
                $folder = "$root/public/theme/" . md5(self::core());
                is_dir($folder) || mkdir($folder, 0755, true);
                file_put_contents("$folder/all.css", 'body { }');
                break;
            case 'system:check':
                if (file_exists("$root/UNWELL")) {
                    $output->writeln('the payment provider does not answer');

                    return 1;
                }
        }

        return 0;
    }
}
