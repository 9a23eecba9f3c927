import { type Expansion, entities, type Step, unknownDefaults } from '../expansion.ts';
import { type Dict, pythonText } from '../python.ts';

/**
 * Since JJB 5 a definition is divided: keys that Jenkins knows are its content, all others are parameters. Content may use
 * parameters, never other content.
 */
export interface Halves {
  readonly contents: Dict;
  readonly params: Dict;
}

/** Keys that JJB 6 takes for the content of a job; every other key is a parameter. */
const JOB = words(`
  abort-builds actions auth-token axes block-downstream block-upstream builders child-workspace concurrent
  days-to-keep description disabled display-name dsl dsl-file execution-strategy folder github-org hipchat jdk
  logrotate maven needs-workspace node notifications number-to-keep p4-strategy parameters per-module-email
  periodic-folder-trigger pipeline-scm postbuilders prebuilders project-type properties prune-dead-branches
  publishers quiet-period raw reporters retry-count sandbox scm script-id script-path triggers workspace
  wrappers yaml-strategy
`);

/** Keys of views, which defaults take for content, too. */
const VIEW = words(`
  aggregated-changes-grouping-pattern alignment allow-abort allow-manual-triggers allow-pipeline-start allow-
  rebuild columns components css-Url default-view definition-header filter-executors filter-queue first-job
  job-filters job-name latest-job-only link-relative link-style link-to-console-log manual-trigger max-number-
  of-visible-pipelines name no-of-columns no-of-displayed-builds no-of-pipelines paging-enabled parameters-in-
  headers recurse refresh-frequency regex regexps sections show-absolute-date-time show-aggregated-changes
  show-aggregated-pipeline show-avatars show-changes show-description show-parameters show-promotions show-
  static-analysis-results show-test-results show-total-build-time sorting start-with-parameters style text
  title update-interval views width
`);

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Of a job or a template; its name stands with its content. */
export function halvesOf(definition: Dict): Halves {
  const contents: Record<string, unknown> = {};
  const params: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(definition)) {
    if (key === 'id' || key === 'defaults') continue;
    const content = key === 'name' || JOB.has(key);
    if (content && !(key === 'description' && value === null)) contents[key] = value;
    if (!content) params[key] = value;
  }
  return { contents, params };
}

const NONE: Halves = { contents: {}, params: {} };

/** The defaults of a name stand on the global ones. Undefined: there are none of that name. */
export function defaultsOf(
  name: string,
  expansion: Pick<Expansion, 'corpus'>,
  where: { owner: Dict; via: readonly Step[] },
): Halves | undefined {
  const found = entities(expansion, 'defaults').get(name);
  if (found === undefined) {
    if (name === 'global') return NONE;
    unknownDefaults(name, where.owner, where.via, expansion);
    return undefined;
  }
  const contents: Record<string, unknown> = {};
  const params: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(found)) {
    if (key === 'name') continue;
    if (JOB.has(key) || VIEW.has(key)) contents[key] = value;
    else params[key] = value;
  }
  if (name === 'global') return { contents, params };
  const global = defaultsOf('global', expansion, where) ?? NONE;
  return { contents: { ...global.contents, ...contents }, params: { ...global.params, ...params } };
}

/** The name of the defaults that a definition asks for. */
export function defaultsName(definition: Dict): string {
  return pythonText(definition['defaults'] ?? 'global');
}
