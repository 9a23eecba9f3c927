/**
 * The compiler copies no shell scripts, so their text travels in a module, line by line as biome would write it.
 * STACKGATE_UPDATE=1 in the environment of its test writes such a module anew.
 */
export function embedded(text: string, indent: string): string {
  return text
    .split('\n')
    .map((line) => `${indent}${quoted(line)},\n`)
    .join('');
}

export const updating = (): boolean => process.env['STACKGATE_UPDATE'] === '1';

/** As biome would quote it. */
function quoted(line: string): string {
  const json = JSON.stringify(line);
  if (line.includes("'"))
    return line.includes('"') ? `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'` : json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}
