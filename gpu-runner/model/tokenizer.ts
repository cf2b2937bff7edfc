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
  /** The same without added tokens: whatever it is given is text. Made when first needed: most people forge nothing. */
  private readonly plain: () => HubTokenizer;
  /** Special tokens by their text. */
  private readonly control: ReadonlyMap<string, number>;
  /** Matches one of them, the longest where several begin. */
  private readonly anyControl: RegExp | undefined;

  constructor(tokenizerJson: object, tokenizerConfig: object, separateTemplate?: string) {
    const config = TokenizerConfig.parse(tokenizerConfig);
    this.whole = new HubTokenizer(tokenizerJson, tokenizerConfig);
    let plain: HubTokenizer | undefined;
    this.plain = () => (plain ??= new HubTokenizer({ ...tokenizerJson, added_tokens: [] }, tokenizerConfig));
    const added = [...this.whole.get_added_tokens_decoder()];
    this.control = new Map(
      added.flatMap(([id, { content, special }]) => (special && content ? [[content, id] as const] : [])),
    );
    this.anyControl = alternatives([...this.control.keys()]);
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

  /**
   * A prompt of which the user wrote every character, special tokens included: they are tokens. The tokenizer puts in
   * front what it always does (a beginning-of-text token, for many).
   */
  encodeText(text: string): number[] {
    return this.whole.encode(text, { add_special_tokens: true }).ids;
  }

  /** Text that goes on from another: nothing is put in front. */
  encodeContinuation(text: string): number[] {
    return this.whole.encode(text, { add_special_tokens: false }).ids;
  }

  /** A rendered chat template: its control tokens are tokens, those within `defuse`d text are text. */
  encodeRendered(rendered: string): number[] {
    if (!rendered.includes(DEFUSED)) return this.encodeContinuation(rendered);
    const parts = this.anyControl ? rendered.split(this.anyControl) : [rendered];
    return parts.flatMap((part) => {
      const control = this.control.get(part);
      return control === undefined ? this.encodePlain(part) : [control];
    });
  }

  /** Marks special tokens that a user wrote, so that nobody can forge a turn of the conversation. */
  defuse(text: string): string {
    const clean = text.replaceAll(DEFUSED, '');
    if (!this.anyControl) return clean;
    return clean.replace(this.anyControl, (token) => {
      const [first] = token; // a whole character: the mark must not part a surrogate pair
      return `${first}${DEFUSED}${token.slice(first!.length)}`;
    });
  }

  private encodePlain(text: string): number[] {
    return this.plain().encode(text.replaceAll(DEFUSED, ''), { add_special_tokens: false }).ids;
  }
}

/** Matches any of the texts, in a group, so that `split` keeps them. */
function alternatives(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const longestFirst = texts.toSorted((a, b) => b.length - a.length);
  return new RegExp(`(${longestFirst.map((text) => RegExp.escape(text)).join('|')})`, 'g');
}
