import { DEFAULT_LABELS } from '../access.ts';
import { refUpdated } from '../events.ts';
import { createRepo, repoPath, ZERO } from '../git.ts';
import type { Project } from '../model.ts';
import { Refusal, type Site } from '../site.ts';
import type { ProjectSpec } from '../specs.ts';

export function isProjectName(name: string): boolean {
  return /^[\w][\w./+-]*$/.test(name) && !/\.\.|\/\/|\/$|\.git$/.test(name);
}

export async function createProject(site: Site, name: string, spec: ProjectSpec): Promise<void> {
  if (!isProjectName(name)) throw new Refusal(400, `invalid project name: ${name}`);
  if (site.state.projects.has(name)) throw new Refusal(409, `Project "${name}" already exists.`);
  await site.exclusive(async () => {
    const head = spec.branch ?? 'master';
    createRepo(repoPath(site.options.dir, name), head);
    const repo = site.repo(name);
    const gerrit = { name: 'Gerrit Code Review', email: 'gerrit@localhost' };
    const tree = await repo.edit(undefined, spec.files ?? {});
    const sha = repo.create(
      { tree, parents: [], author: gerrit, committer: gerrit, message: 'Initial empty repository\n' },
      site.now(),
    );
    const branches = [...new Set([head, ...(spec.branches ?? [])])];
    await repo.update(branches.map((branch) => ({ ref: `refs/heads/${branch}`, new: sha })));
    const project: Project = {
      name,
      head,
      submitType: spec.submitType ?? 'MERGE_IF_NECESSARY',
      labels: spec.labels ?? DEFAULT_LABELS,
    };
    site.record({ kind: 'project', project });
    for (const branch of branches) {
      const update = { ref: `refs/heads/${branch}`, oldRev: ZERO, newRev: sha };
      site.hub.emit(refUpdated(site.state, name, 'admin', update));
    }
    site.hub.emit({
      type: 'project-created',
      fields: { projectName: name, headName: `refs/heads/${head}` },
      visibleTo: () => true,
    });
  });
}

export async function createBranch(
  site: Site,
  project: string,
  branch: string,
  from?: string,
): Promise<string> {
  return site.exclusive(async () => {
    const repo = site.repo(project);
    const base = from ?? site.state.projects.get(project)?.head ?? 'master';
    const sha = (await repo.resolve(`refs/heads/${base}`)) ?? (await repo.resolve(base));
    if (sha === undefined) throw new Refusal(409, `invalid revision "${base}"`);
    const ref = `refs/heads/${branch}`;
    await repo.update([{ ref, new: sha, old: ZERO }]);
    site.hub.emit(refUpdated(site.state, project, 'admin', { ref, oldRev: ZERO, newRev: sha }));
    return sha;
  });
}
