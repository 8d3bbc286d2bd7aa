<?php

// Debian installs the framework for all applications of a machine, with one autoloader.
require_once '/usr/share/php/Illuminate/autoload.php';
