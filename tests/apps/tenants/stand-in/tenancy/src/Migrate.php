<?php

namespace Stancl\Tenancy;

use Illuminate\Console\Command;

class Migrate extends Command
{
    protected $signature = 'tenants:migrate {--tenants=*} {--force}';
    protected $description = 'Migrates the databases of tenants';

    public function handle(): int
    {
        foreach ($this->option('tenants') as $key) {
            tenancy()->initialize($key);
            $arguments = ['--database' => 'tenant', '--path' => 'database/migrations/tenant', '--force' => true];
            if ($this->call('migrate', $arguments) !== 0) {
                return 1;
            }
        }

        return 0;
    }
}
