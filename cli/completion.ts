/** Shell completion, made from the commands themselves so that it cannot fall behind them. */
import type { Command } from 'commander';
import { CliError, EXIT } from './errors.ts';

interface Words {
  /** Commands from the top, such as `base import`. */
  readonly path: string;
  readonly next: readonly string[];
}

function wordsOf(command: Command, path = ''): Words[] {
  const options = command.options
    .map(({ long }) => long)
    .filter((long) => long !== undefined && long !== null);
  const here = { path, next: [...command.commands.map((sub) => sub.name()), ...options, '--help'] };
  return [here, ...command.commands.flatMap((sub) => wordsOf(sub, `${path} ${sub.name()}`.trim()))];
}

export function completionScript(program: Command, shell: string): string {
  const words = wordsOf(program);
  if (shell === 'fish') return fish(words);
  if (shell === 'bash' || shell === 'zsh') return bash(words, shell);
  throw new CliError(EXIT.usage, `${shell} is not a shell that is known here`, 'bash, zsh and fish are.');
}

function bash(words: readonly Words[], shell: 'bash' | 'zsh'): string {
  const cases = words
    .map(({ path, next }) => `    ${JSON.stringify(path)}) words=${JSON.stringify(next.join(' '))} ;;`)
    .join('\n');
  return `${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_patchbay() {
  local path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases}
  esac
  [ -n "$words" ] && COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _patchbay patchbay`;
}

function fish(words: readonly Words[]): string {
  return words
    .flatMap(({ path, next }) => {
      const seen = path.split(' ').filter(Boolean);
      const condition =
        seen.length === 0
          ? '__fish_use_subcommand'
          : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
      return next.map((word) =>
        word.startsWith('--')
          ? `complete -c patchbay -n '${condition}' -l ${word.slice(2)}`
          : `complete -c patchbay -f -n '${condition}' -a ${word}`,
      );
    })
    .join('\n');
}
