<?php
// Gives the site in $argv[1] its name and two more users, and prints their application passwords as JSON.
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
require $argv[1] . '/wp-load.php';
update_option('blogname', 'Field notes');
$users = [
    'writer' => ['role' => 'author', 'display_name' => 'Maria O\'Neill'],
    'reader' => ['role' => 'subscriber'],
];
$passwords = [];
foreach ($users as $name => $more) {
    $id = wp_insert_user($more + ['user_login' => $name, 'user_pass' => wp_generate_password(),
        'user_email' => "$name@example.org"]);
    [$passwords[$name]] = WP_Application_Passwords::create_new_application_password($id, ['name' => 'tests']);
}
echo json_encode($passwords);
