<?php

use Stancl\Tenancy\Tenancy;

function tenancy(): Tenancy
{
    return new Tenancy();
}
