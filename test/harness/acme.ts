import type { SiteConfig } from '../../pipelines/ports.ts';
import { configFrom } from './layout.ts';
import { changesOf, endBuild, openRing, type Ring, running } from './ring.ts';

/** A small site in memory for stories: a layout with every manager, and short words for what is asked again and again. */

export const layout = `
pipelines:
  - name: check
    manager: independent
    footer-message: 'More: https://wiki.example.com/acme'
    trigger:
      gerrit:
        - event: patchset-created
        - {event: comment-added, comment: (?i)^recheck}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
  - name: gate
    manager: dependent
    supercedes: [check]
    trigger: {gerrit: [{event: comment-added, approval: [{Approved: 1}]}]}
    start: {gerrit: {Verified: 0}}
    success: {gerrit: {Verified: 2, submit: true}}
    failure: {gerrit: {Verified: -2}}
  - name: nightly
    manager: independent
    trigger: {timer: [{time: '0 6 * * *'}]}
    success: {smtp: {to: ops@example.com}}
    failure: {smtp: {to: ops@example.com}}
  - name: publish
    manager: supercedent
    trigger: {gerrit: [{event: ref-updated, ref: ^master$}]}
  - name: line
    manager: serial
    trigger: {gerrit: [{event: change-restored}]}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
jobs:
  - {name: unit, attempts: 2}
  - {name: soft, voting: false}
  - {name: docs, files: [docs/.*]}
  - {name: constructor, mutex: toString}
  - {name: half-a, semaphore: {name: array, count: 2}}
  - {name: half-b, semaphore: {name: array, count: 2}}
  - {name: half-c, semaphore: {name: array, count: 2}}
  - {name: quick, fail-fast: true}
projects:
  - name: org/project
    check: [unit: [tempest, soft]]
    gate: [unit]
    nightly: [unit]
    publish: [unit]
    line: [unit]
  - name: org/array
    check: [half-a, half-b, half-c]
  - name: org/quick
    check: [quick, slow: [slower]]
  - name: org/docs
    check: [docs]
  - name: org/odd
    check: [constructor: [hasOwnProperty]]
  - name: org/filtered
    check: [docs: [built]]
`;

export function open(config: SiteConfig = configFrom(layout)): Ring {
  return openRing(config);
}

export function jobs(ring: Ring): string[] {
  return running(ring).map((build) => `${build.action.job} [${changesOf(build) ?? ''}]`);
}

export function said(ring: Ring): string[] {
  return ring.reports.map(({ number, patchset, labels, phase }) => {
    return `${phase} ${number},${patchset} ${JSON.stringify(labels)}`;
  });
}

/** Ends what runs, well, until nothing does. */
export function finishAll(ring: Ring, result = 'SUCCESS'): void {
  for (let build = running(ring)[0]; build !== undefined; build = running(ring)[0])
    endBuild(ring, build, result);
}
