<?php
// Installs the site in the folder $argv[1] and prints an application password of its user.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
require "$argv[1]/wp-load.php";
require ABSPATH . 'wp-admin/includes/upgrade.php';
add_filter('pre_wp_mail', '__return_true');
$made = wp_install('The garden', 'editor', 'editor@example.org', true, '', wp_generate_password());
update_option('permalink_structure', '/%postname%/');
switch_theme('demo');
echo WP_Application_Passwords::create_new_application_password($made['user_id'], ['name' => 'Jobwire'])[0];
