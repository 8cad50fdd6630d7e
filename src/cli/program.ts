/** The tree of commands. Each command has its own file. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addArtifactList } from './commands/artifact-list.ts';
import { addArtifactShow } from './commands/artifact-show.ts';
import { addAuditList } from './commands/audit-list.ts';
import { addAuditVerify } from './commands/audit-verify.ts';
import { addDbMigrate } from './commands/db-migrate.ts';
import { addDeletionsAllow } from './commands/deletions-allow.ts';
import { addDemo } from './commands/demo.ts';
import { addHistory } from './commands/history.ts';
import { addIdentityInit } from './commands/identity-init.ts';
import { addIdentityIssue } from './commands/identity-issue.ts';
import { addIdentityShow } from './commands/identity-show.ts';
import { addLogin } from './commands/login.ts';
import { addLogout } from './commands/logout.ts';
import { addNexusExpunge } from './commands/nexus-expunge.ts';
import { addNexusInvitations } from './commands/nexus-invitations.ts';
import { addNexusInvite } from './commands/nexus-invite.ts';
import { addNexusJoin } from './commands/nexus-join.ts';
import { addNexusList } from './commands/nexus-list.ts';
import { makeNexusRunnable } from './commands/nexus-run.ts';
import { addNexusUninvite } from './commands/nexus-uninvite.ts';
import { addRecoverGeneration } from './commands/recover-generation.ts';
import { addRepoAssemble } from './commands/repo-assemble.ts';
import { addRepoDelete } from './commands/repo-delete.ts';
import { addRepoDepotStandalone } from './commands/repo-depot-standalone.ts';
import { addRepoEdit } from './commands/repo-edit.ts';
import { addRepoExempt } from './commands/repo-exempt.ts';
import { addRepoList } from './commands/repo-list.ts';
import { addRepoShow } from './commands/repo-show.ts';
import { addRepoSign } from './commands/repo-sign.ts';
import { addRepoSync } from './commands/repo-sync.ts';
import { addRepoUpload } from './commands/repo-upload.ts';
import { addRepoVerify } from './commands/repo-verify.ts';
import { addRepoWait } from './commands/repo-wait.ts';
import { addSledAgentAllowDeletion } from './commands/sled-agent-allow-deletion.ts';
import { addSledAgentJoin } from './commands/sled-agent-join.ts';
import { addSledAgentReset } from './commands/sled-agent-reset.ts';
import { makeSledAgentRunnable } from './commands/sled-agent-run.ts';
import { addSledDeny } from './commands/sled-deny.ts';
import { addSledForget } from './commands/sled-forget.ts';
import { addSledInvitations } from './commands/sled-invitations.ts';
import { addSledApprove, addSledInvite } from './commands/sled-invite.ts';
import { addSledList } from './commands/sled-list.ts';
import { addSledSetPolicy } from './commands/sled-set-policy.ts';
import { addSledSetTransport } from './commands/sled-set-transport.ts';
import { addSledShow } from './commands/sled-show.ts';
import { addSledUninvite } from './commands/sled-uninvite.ts';
import { addSledValidate } from './commands/sled-validate.ts';
import { addSourceList } from './commands/source-list.ts';
import { addSourceShow } from './commands/source-show.ts';
import { addStart } from './commands/start.ts';
import { addStatementList } from './commands/statement-list.ts';
import { addStatementSign } from './commands/statement-sign.ts';
import { addStatus } from './commands/status.ts';
import { addTargetReleaseSet } from './commands/target-release-set.ts';
import { addTargetReleaseShow } from './commands/target-release-show.ts';
import { addTaskActivate } from './commands/task-activate.ts';
import { addTaskList } from './commands/task-list.ts';
import { addTaskShow } from './commands/task-show.ts';
import { addTokenCreate } from './commands/token-create.ts';
import { addTokenList } from './commands/token-list.ts';
import { addTokenRevoke } from './commands/token-revoke.ts';
import { addTrustRootAdd } from './commands/trust-root-add.ts';
import { addTrustRootDelete } from './commands/trust-root-delete.ts';
import { addTrustRootExport } from './commands/trust-root-export.ts';
import { addTrustRootList } from './commands/trust-root-list.ts';
import { addTrustRootShow } from './commands/trust-root-show.ts';
import { addTuf } from './commands/tuf.ts';
import type { Session } from './session/session.ts';

const EXIT_CODE_HELP = `
Exit codes: 0 ok, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted;
status: 0 ok, 4 converging, 5 degraded, 1 failed.

First steps:
  $ tuf-depot demo           a fleet on this machine, from upload to clean-up, in a minute
  $ tuf-depot start          a fleet on this machine, to keep`;

type AddCommand = (parent: Command, session: Session) => void;

const groups: readonly (readonly [name: string, description: string, commands: readonly AddCommand[]])[] = [
  [
    'repo',
    'releases: assemble, edit, sign, verify, upload, follow, delete',
    [
      addRepoAssemble,
      addRepoEdit,
      addRepoSign,
      addRepoVerify,
      addRepoUpload,
      addRepoSync,
      addRepoList,
      addRepoShow,
      addRepoWait,
      addRepoExempt,
      addRepoDelete,
    ],
  ],
  [
    'trust-root',
    'the roots that may sign releases',
    [addTrustRootAdd, addTrustRootList, addTrustRootShow, addTrustRootExport, addTrustRootDelete],
  ],
  ['source', 'upstream repositories that Nexus follows', [addSourceList, addSourceShow]],
  [
    'sled',
    'the machines of the fleet',
    [
      addSledList,
      addSledShow,
      addSledValidate,
      addSledInvite,
      addSledApprove,
      addSledDeny,
      addSledInvitations,
      addSledUninvite,
      addSledSetPolicy,
      addSledSetTransport,
      addSledForget,
    ],
  ],
  ['artifact', 'the files of the present releases', [addArtifactList, addArtifactShow]],
  ['target-release', 'the release that the fleet should run', [addTargetReleaseShow, addTargetReleaseSet]],
  ['task', 'background tasks of a Nexus', [addTaskList, addTaskShow, addTaskActivate]],
  [
    'nexus',
    'run one Nexus (--config), let it join, or manage the instances',
    [
      makeNexusRunnable,
      addNexusList,
      addNexusInvite,
      addNexusInvitations,
      addNexusUninvite,
      addNexusJoin,
      addNexusExpunge,
    ],
  ],
  [
    'sled-agent',
    'run the agent of one sled (--config), let it join, reset it, or allow its deletions',
    [makeSledAgentRunnable, addSledAgentJoin, addSledAgentReset, addSledAgentAllowDeletion],
  ],
  [
    'identity',
    'certificates of the processes of a fleet',
    [addIdentityInit, addIdentityIssue, addIdentityShow],
  ],
  ['db', 'the database of Nexus', [addDbMigrate]],
  ['token', 'the tokens of operators, and their roles', [addTokenCreate, addTokenList, addTokenRevoke]],
  ['audit', 'changes by persons, in a chain of hashes', [addAuditList, addAuditVerify]],
  ['deletions', 'large deletions, which a person allows', [addDeletionsAllow]],
  ['statement', 'decisions that the admin key of the fleet signs', [addStatementList, addStatementSign]],
  ['recover', 'recoveries, when sleds hold configs that the database does not know', [addRecoverGeneration]],
];

/** The same distance from src/ and from dist/. */
const packageVersion = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

/** Throws CommanderError instead of ending the process. */
export const createProgram = (session: Session): Command => {
  const program = new Command('tuf-depot')
    .description(
      'Brings every artifact of a signed TUF release to every machine of a fleet, verified, and keeps it there.',
    )
    .version(packageVersion(), '--version', 'print the version')
    .addHelpText('after', EXIT_CODE_HELP)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('fix: --help shows how it is called')
    .enablePositionalOptions()
    .configureOutput({
      writeOut: text => session.terminal.print(text.replace(/\n$/, '')),
      writeErr: text => session.terminal.note(text.replace(/\n$/, '')),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const [name, description, commands] of groups) {
    const group = program.command(name).description(description);
    for (const add of commands) add(group, session);
  }
  addLogin(program, session);
  addLogout(program, session);
  addStatus(program, session);
  addHistory(program, session);
  addStart(program, session);
  addDemo(program, session);
  addRepoDepotStandalone(program, session);
  addTuf(program, session);
  return program;
};
