/** The commands that run on this machine with the settings of the service. Their code is in the part of the package that runs the service. */
import type { CommandSpec } from '../spec.ts'
import { JSON_OPTION } from './common.ts'

export type LocalName =
  | 'serve'
  | 'doctor'
  | 'check-token'
  | 'backup'
  | 'restore'
  | 'reindex'
  | 'keygen'

export const LOCAL_COMMANDS: readonly (CommandSpec & { readonly name: LocalName })[] = [
  {
    name: 'serve',
    summary: 'run the service (the default)',
    details: 'Settings are environment variables: see docs/configuration.md.',
    examples: [['VALETKEY_DATA_DIR=/var/lib/valetkey valetkey serve', 'with the embedded store']],
  },
  {
    name: 'doctor',
    summary: 'examine the integrations of a YAML file, without a service',
    operands: [
      { name: 'FILE', completes: 'file' },
      { name: 'NAME', isOptional: true, isList: true },
    ],
    options: [JSON_OPTION],
    examples: [
      ['valetkey doctor valetkey.yaml', 'in a pipeline, before it is deployed'],
      ['valetkey doctor valetkey.yaml billing --json', 'one of them'],
    ],
    exits: { 1: 'a check failed' },
  },
  {
    name: 'check-token',
    summary: 'find out why a token does not work on this machine',
    details:
      'Makes a REST call with the token here, lets the broker do the same there, and says what differs. It does not print the token.',
    operands: [{ name: 'NAME', completes: 'integration' }],
    options: [
      { flags: '--at <url>', summary: 'the host that is called (default: the instance URL)' },
      JSON_OPTION,
    ],
    examples: [
      ['valetkey check-token billing', 'where the token is used, with the key of the caller'],
    ],
    exits: { 1: 'the token does not work here' },
    isRemote: true,
  },
  {
    name: 'backup',
    summary: 'write a sealed backup of the store to a file or to stdout',
    options: [{ flags: '--out <file>', summary: 'a new file', completes: 'file' }],
    examples: [['valetkey backup --out /backups/valetkey.backup', 'beside replicas that run']],
  },
  {
    name: 'restore',
    summary: 'restore a backup into an empty store',
    operands: [{ name: 'FILE', completes: 'file' }],
    options: [
      { flags: '--check', summary: 'only verify the backup' },
      { flags: '--force', summary: 'replace the content of the store' },
    ],
    examples: [['valetkey restore --check /backups/valetkey.backup', 'whether it is complete']],
    exits: { 65: 'the backup is not complete, was altered, or is of another keyring or release' },
  },
  {
    name: 'reindex',
    summary: 'build the index of integrations again, by which lists filter',
    details:
      'Only marks the integrations: the replicas that run, or that start next, look at each. Lists are right meanwhile, and slower.',
    examples: [['valetkey reindex', 'with the settings of the service']],
  },
  {
    name: 'keygen',
    summary: 'print a new sealing key for VALETKEY_KEYRING',
    examples: [['valetkey keygen', 'another one each time']],
  },
]
