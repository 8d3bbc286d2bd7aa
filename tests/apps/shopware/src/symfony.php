<?php

// Debian installs Symfony's console for all applications of a machine, with an autoloader of its own.
require_once '/usr/share/php/Symfony/Component/Console/autoload.php';
