import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CommandError } from '../client.ts';
import { checkedRows, importRepository, renderReport, writeSite } from '../import/import.ts';
import { printable } from '../text.ts';

/** `stackgate import DIR`: a data repository of Zuul v2 and Jenkins becomes a site, with a row for everything in it. */
export function importSite(
  from: string,
  options: { readonly to: string; readonly dryRun: boolean; readonly json: boolean },
): number {
  const root = resolve(from);
  const target = resolve(options.to);
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CommandError(`${from} is no directory`, 3);
  if (!options.dryRun && !isFree(target))
    throw new CommandError(
      `${options.to} exists and is not empty: nothing was written`,
      9,
      'name a new directory with --to',
    );
  const imported = importRepository(root);
  // Made aside and renamed: there is a whole site, or none.
  const aside = options.dryRun
    ? mkdtempSync(join(tmpdir(), 'stackgate-import-'))
    : mkdtempSync(join(parentOf(target), '.stackgate-import-'));
  try {
    writeSite(aside, imported.files);
    const rows = [...imported.rows, ...checkedRows(aside, imported)];
    const report = renderReport(rows);
    writeSite(aside, new Map([['import-report.txt', report]]));
    if (!options.dryRun) publish(aside, target);
    if (options.json)
      process.stdout.write(`${JSON.stringify({ to: options.dryRun ? null : target, rows })}\n`);
    else process.stdout.write(printable(report));
    const done = options.dryRun ? 'nothing was written (--dry-run)' : `the site is in ${options.to}`;
    const next = rows.some(({ outcome }) => outcome === 'missing') ? 'fill in what is missing, then ' : '';
    if (!options.json)
      process.stderr.write(
        `${printable(done)}; next: ${next}stackgate config validate ${printable(join(options.to, 'stackgate.yaml'))}\n`,
      );
    return 0;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function isFree(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined || (stat.isDirectory() && readdirSync(path).length === 0);
}

function parentOf(target: string): string {
  const parent = dirname(target);
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() === true) return parent;
  throw new CommandError(`there is no directory ${parent}`, 3);
}

/** Over nothing, or over an empty directory. */
function publish(aside: string, target: string): void {
  chmodSync(aside, 0o755);
  renameSync(aside, target);
}
