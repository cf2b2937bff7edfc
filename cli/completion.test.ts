/** The scripts are run by the shells themselves. */
import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { completionScript } from './completion.ts';

const program = new Command('patchbay').option('--json', 'print JSON');
program.command('publish').option('--as <name>', 'where');
program.command('base').command('import');

function bash(...words: string[]): string[] {
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_patchbay
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter(Boolean);
}

describe('bash', () => {
  it('offers commands, options of a command, and commands of a command', () => {
    expect(bash('patchbay', '')).toEqual(['publish', 'base', '--json', '--help']);
    expect(bash('patchbay', 'publish', '--')).toEqual(['--as', '--help']);
    expect(bash('patchbay', 'base', 'i')).toEqual(['import']);
  });

  it('does not take an option for a command', () => {
    expect(bash('patchbay', '--json', 'pub')).toEqual(['publish']);
  });

  it('leaves file names to the shell', () => {
    expect(bash('patchbay', 'publish', './adapter', './')).toEqual([]);
  });
});

it('knows fish and zsh, and no other shell', () => {
  expect(completionScript(program, 'fish')).toContain("-n '__fish_seen_subcommand_from publish' -l as");
  expect(completionScript(program, 'zsh')).toMatch(/^autoload -U \+X bashcompinit/);
  expect(() => completionScript(program, 'tcsh')).toThrow('tcsh');
});
