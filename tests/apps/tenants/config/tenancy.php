<?php

return [
    'prefix' => env('TENANT_DB_PREFIX'),
];
