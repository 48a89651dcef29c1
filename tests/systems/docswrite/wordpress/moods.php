<?php
// A must-use plugin: puts the site into the mood whose file a test has made in wp-content/moods.
function in_mood(string $name): bool
{
    return file_exists(WP_CONTENT_DIR . "/moods/$name");
}

if (in_mood('busy')) {
    add_filter('rest_pre_dispatch', function ($result) {
        header('Retry-After: 7');
        return new WP_Error('too_many_requests', 'Slow down.', ['status' => 429]);
    });
}
if (in_mood('rest-off')) {
    add_filter('rest_authentication_errors', fn() => new WP_Error(
        'rest_disabled', 'The REST API on this site has been disabled.', ['status' => 401]));
}
if (in_mood('rest-gone')) {
    add_filter('rest_endpoints', '__return_empty_array');
}
if (in_mood('no-header')) {
    unset($_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'], $_SERVER['HTTP_AUTHORIZATION']);
}
if (in_mood('no-passwords')) {
    add_filter('wp_is_application_passwords_available', '__return_false');
}
if (in_mood('no-link')) {
    remove_action('template_redirect', 'rest_output_link_header', 11);
    remove_action('wp_head', 'rest_output_link_wp_head', 10);
}
if (in_mood('link-in-page')) {
    remove_action('template_redirect', 'rest_output_link_header', 11);
    add_filter('rest_url', fn($url) => str_replace('/wp-json/', '/index.php?rest_route=/', $url));
}
if (in_mood('fields')) {
    add_action('init', function () {
        foreach (['newspack_post_subtitle', 'rank_math_focus_keyword'] as $name) {
            register_post_meta('post', $name, ['show_in_rest' => true, 'single' => true, 'type' => 'string']);
        }
    });
}
if (in_mood('firewall')) {
    http_response_code(403);
    exit('<html><body>Blocked</body></html>');
}
if (in_mood('death')) {
    // Ends a process, or with 0 all of the server's, in the hook that is named.
    [$hook, $process] = explode(' ', file_get_contents(WP_CONTENT_DIR . '/moods/death'));
    add_action($hook, fn() => posix_kill((int) $process, 9));
}
