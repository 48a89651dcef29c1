<?php
// Reads a line of JSON (a content), answers with a line: what WordPress' own parser sees in it and writes back.
require $argv[1] . '/wp-load.php';
function names_in(array $blocks): array
{
    $names = [];
    foreach ($blocks as $block) {
        $names[] = $block['blockName'];
        array_push($names, ...names_in($block['innerBlocks']));
    }
    return $names;
}

while (($line = fgets(STDIN)) !== false) {
    $content = json_decode($line);
    $blocks = parse_blocks($content);
    $stray = array_filter($blocks, fn($block) => $block['blockName'] === null && trim($block['innerHTML']) !== '');
    echo json_encode(['written' => serialize_blocks($blocks), 'names' => names_in($blocks),
        'stray' => array_column($stray, 'innerHTML')]), "\n";
    flush();
}
