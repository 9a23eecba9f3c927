import type { PreparationView, PreparedImageView, PrepareRequest } from './contract/prepare.ts';
import type { NodeTold } from './told.ts';

/** Preparing machines, as the door needs it; nodepool/prepare does it. */
export interface PreparePort {
  start(
    label: string,
    wish: Omit<PrepareRequest, 'label'>,
    by: string,
  ): Promise<
    | NodeTold
    | {
        readonly kind: 'started';
        readonly preparations: readonly ReadonlyRecord<PreparationView>[];
        readonly remarks: readonly string[];
      }
  >;
  list(): readonly ReadonlyRecord<PreparationView>[];
  images(): readonly PreparedImageView[];
  dropImage(id: string): Promise<NodeTold>;
}

type ReadonlyRecord<T extends { lines: unknown[] }> = Omit<T, 'lines'> & {
  readonly lines: Readonly<T['lines']>;
};
