<?php echo 'ok ', trim((string) file_get_contents(__DIR__ . '/../VERSION'));
