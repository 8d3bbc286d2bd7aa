<?php

namespace Stancl\Tenancy;

use Illuminate\Console\Command;

class Run extends Command
{
    protected $signature = 'tenants:run {commandname} {--tenants=*}';
    protected $description = 'Runs a command for tenants';

    public function handle(): int
    {
        foreach ($this->option('tenants') as $key) {
            tenancy()->initialize($key);
            if ($this->call($this->argument('commandname')) !== 0) {
                return 1;
            }
        }

        return 0;
    }
}
