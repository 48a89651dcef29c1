<!doctype html>
<html <?php language_attributes(); ?>><head><meta charset="utf-8"><?php wp_head(); ?>
<style>body{font:18px/1.6 Georgia,serif;max-width:42rem;margin:3rem auto}img{max-width:100%;height:auto}
table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .8rem}</style></head><body>
<?php while (have_posts()) { the_post(); ?>
<article><h1><?php the_title(); ?></h1><?php the_content(); ?></article>
<?php } wp_footer(); ?>
</body></html>
