import type { SiteConfig } from './ports.ts';

/**
 * Projects, jobs and pipelines have the names people give them, and a project may be called `constructor`. Records by name
 * are therefore without a prototype wherever they are looked into.
 */
export function named<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  const bare: Record<string, T> = Object.create(null);
  return Object.assign(bare, record);
}

/** A configuration as it comes out of JSON, safe to look things up in. */
export function namedConfig(config: SiteConfig): SiteConfig {
  const { layout, jobs, needs } = config;
  return {
    ...config,
    jobs: named(jobs),
    needs: named(needs),
    layout: { ...layout, jobs: named(layout.jobs), projects: named(layout.projects) },
  };
}
