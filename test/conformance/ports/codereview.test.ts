import { openLab, PROJECT } from '../../fixtures/gerritlab.ts';
import { codeReviewConformance } from './codereview.ts';

codeReviewConformance('Gerrit over SSH', async () => {
  const lab = await openLab();
  lab.gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
  return {
    open: () => lab.review({ fetchDeadline: 500 }),
    push: async ({ change, parentChange, message } = {}) => ({
      project: PROJECT,
      ...(await lab.gerrit.push(PROJECT, {
        user: 'ann',
        ...(change === undefined ? {} : { change }),
        ...(parentChange === undefined ? {} : { parentChange }),
        ...(message === undefined ? {} : { commitMessage: message }),
      })),
    }),
    abandon: (change) => lab.gerrit.abandon(change),
    approve: (change) => lab.gerrit.vote(change, { 'Code-Review': 2 }),
    status: (change) => lab.gerrit.change(change).status,
    posts: (change) =>
      lab.gerrit.reviews({ user: 'ci', change }).map(({ message, labels }) => ({ message, labels })),
    loseAnswer: (applied) => {
      lab.gerrit.faults.review = { kind: applied ? 'lost-after' : 'lost-before', times: 1 };
    },
    mayVote: (may) => {
      if (!may) lab.gerrit.revoke('label-Verified', 'Service Users');
    },
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
});
