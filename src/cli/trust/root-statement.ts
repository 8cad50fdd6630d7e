/** The statement that trusts a root. */
import type { StatementOf } from '../../core/statement.ts';
import type { RootFile } from './root-file.ts';

export const trustRootContent = ({
  digest,
}: Pick<RootFile, 'digest'>): Pick<StatementOf<'trust_root'>, 'kind' | 'rootSha256'> => ({
  kind: 'trust_root',
  rootSha256: digest,
});
