<?php
// Installs the site in $argv[1] with three users and prints their application passwords as JSON.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
require $argv[1] . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
add_filter('pre_wp_mail', '__return_true');
wp_install('Field notes', 'editor', 'editor@example.org', true, '', wp_generate_password());
update_option('permalink_structure', '/%postname%/');
switch_theme('plain');
wp_insert_user(['user_login' => 'writer', 'user_pass' => wp_generate_password(), 'role' => 'author',
    'user_email' => 'writer@example.org', 'display_name' => 'Maria O\'Neill']);
wp_insert_user(['user_login' => 'reader', 'user_pass' => wp_generate_password(), 'role' => 'subscriber',
    'user_email' => 'reader@example.org']);
$passwords = [];
foreach (['editor', 'writer', 'reader'] as $name) {
    [$password] = WP_Application_Passwords::create_new_application_password(
        get_user_by('login', $name)->ID, ['name' => 'tests']);
    $passwords[$name] = $password;
}
echo json_encode($passwords);
