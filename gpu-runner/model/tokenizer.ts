/** Prompts to tokens, with the checkpoint's own tokenizer and chat template. */
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';

const TokenText = z.union([
  z.string(),
  z.object({ content: z.string() }).transform(({ content }) => content),
]);
const TokenizerConfig = z.looseObject({
  bos_token: TokenText.nullish(),
  eos_token: TokenText.nullish(),
  pad_token: TokenText.nullish(),
  unk_token: TokenText.nullish(),
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});

/** Put inside a special token's text where a user wrote it, so that it is read as text. From a private use area. */
const DEFUSED = '\u{F8F0}';

export class Tokenizer {
  /** Text of the special tokens, as chat templates name them. */
  readonly specials: Readonly<Record<string, string>>;
  readonly chatTemplate: string | undefined;
  private readonly whole: HubTokenizer;
  /** The same without added tokens: whatever it is given is text. */
  private readonly plain: HubTokenizer;
  private readonly control: readonly { readonly content: string; readonly id: number }[];

  constructor(tokenizerJson: object, tokenizerConfig: object, separateTemplate?: string) {
    const config = TokenizerConfig.parse(tokenizerConfig);
    this.whole = new HubTokenizer(tokenizerJson, tokenizerConfig);
    this.plain = new HubTokenizer({ ...tokenizerJson, added_tokens: [] }, tokenizerConfig);
    const added = [...this.whole.get_added_tokens_decoder()];
    this.control = added.filter(([, token]) => token.special).map(([id, { content }]) => ({ id, content }));
    const names = ['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const;
    this.specials = Object.fromEntries(names.flatMap((name) => (config[name] ? [[name, config[name]]] : [])));
    const templates = config.chat_template;
    this.chatTemplate =
      separateTemplate ??
      (typeof templates === 'string'
        ? templates
        : templates?.find(({ name }) => name === 'default')?.template) ??
      undefined;
  }

  /** Plain text, with the tokens that the tokenizer itself puts in front (a beginning-of-text token, for many). */
  encodeText(text: string): number[] {
    return this.encodeMarked(this.defuse(text), true);
  }

  /** A rendered chat template: its control tokens are tokens, those within `defuse`d text are text. */
  encodeRendered(rendered: string): number[] {
    return this.encodeMarked(rendered, false);
  }

  /** Marks special tokens that a user wrote, so that nobody can forge a turn of the conversation. */
  defuse(text: string): string {
    let safe = text.replaceAll(DEFUSED, '');
    for (const { content } of this.control)
      safe = safe.replaceAll(content, content[0] + DEFUSED + content.slice(1));
    return safe;
  }

  private encodeMarked(text: string, addSpecial: boolean): number[] {
    if (!text.includes(DEFUSED)) return this.whole.encode(text, { add_special_tokens: addSpecial }).ids;
    const front = addSpecial ? this.whole.encode('').ids : [];
    return [
      ...front,
      ...this.split(text).flatMap((part) => (typeof part === 'number' ? [part] : this.encodePlain(part))),
    ];
  }

  private encodePlain(text: string): number[] {
    return this.plain.encode(text.replaceAll(DEFUSED, ''), { add_special_tokens: false }).ids;
  }

  /** The text between control tokens, and the ids of the control tokens. */
  private split(text: string): (string | number)[] {
    const parts: (string | number)[] = [];
    let rest = text;
    while (rest) {
      const next = this.control
        .map((token) => ({ ...token, at: rest.indexOf(token.content) }))
        .filter(({ at, content }) => at >= 0 && content)
        .sort((a, b) => a.at - b.at || b.content.length - a.content.length)[0];
      if (!next) break;
      if (next.at > 0) parts.push(rest.slice(0, next.at));
      parts.push(next.id);
      rest = rest.slice(next.at + next.content.length);
    }
    return rest ? [...parts, rest] : parts;
  }
}
