<?php

namespace Stancl\Tenancy;

use Illuminate\Database\Eloquent\Builder;
use Illuminate\Support\Facades\DB;

class Tenancy
{
    public function query(): Builder
    {
        return Tenant::query();
    }

    /** Makes the tenant's own database that of the connection `tenant`. */
    public function initialize(string $key): void
    {
        $database = config('tenancy.prefix') . $key;
        DB::statement("CREATE DATABASE IF NOT EXISTS `$database`");
        config(['database.connections.tenant' => ['database' => $database] + config('database.connections.mysql')]);
        app('db')->purge('tenant');
    }
}
