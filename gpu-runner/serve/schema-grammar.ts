/**
 * A schema as a grammar, in xgrammar's notation. We write it ourselves: xgrammar's own translation lets control characters into
 * strings of a given length, any character in place of a decimal point, and names that are declared in among the additional ones.
 * Whatever the grammar takes is JSON that satisfies the schema; of what satisfies it, the grammar takes one spelling of names and of
 * given values, properties in their order, and numbers without needless length.
 */
import {
  type Format,
  FRACTION_DIGITS,
  type Member,
  ROOT,
  type SchemaNode,
  type SchemaTree,
} from '../../functions/answer-schema.ts';

/**
 * A character of a string: written out in `string`, as xgrammar works out ahead what may follow within one rule. Beyond ASCII its classes
 * are of bytes, so these are the bytes of UTF-8 (a class of a single one would be
 * taken for a character: it is named twice). Halves of surrogate pairs are not escaped: alone they are no text.
 */
const CHAR = [
  String.raw`[\x20\x21\x23-\x5b\x5d-\x7f]`,
  String.raw`[\xc2-\xdf] [\x80-\xbf]`,
  String.raw`[\xe0\xe0] [\xa0-\xbf] [\x80-\xbf]`,
  String.raw`[\xe1-\xec\xee\xef] [\x80-\xbf] [\x80-\xbf]`,
  String.raw`[\xed\xed] [\x80-\x9f] [\x80-\xbf]`,
  String.raw`[\xf0\xf0] [\x90-\xbf] [\x80-\xbf] [\x80-\xbf]`,
  String.raw`[\xf1-\xf3] [\x80-\xbf] [\x80-\xbf] [\x80-\xbf]`,
  String.raw`[\xf4\xf4] [\x80-\x8f] [\x80-\xbf] [\x80-\xbf]`,
  String.raw`"\\" ["\\/bfnrt]`,
  String.raw`"\\u" [0-9A-CE-Fa-ce-f] [0-9A-Fa-f] [0-9A-Fa-f] [0-9A-Fa-f]`,
  String.raw`"\\u" [Dd] [0-7] [0-9A-Fa-f] [0-9A-Fa-f]`,
].join(' | ');

/** Blanks end: a small model can write them for ever. */
const COMMON = String.raw`
ws ::= [ ]? | "\n" [ \t]{0,32}
hex ::= [0-9A-Fa-f]
char ::= ${CHAR}
string ::= "\"" ( ${CHAR} )* "\""
integer ::= "0" | "-"? [1-9] [0-9]{0,18}
number ::= "-"? ( "0" | [1-9] [0-9]{0,18} ) ( "." [0-9]{1,18} )? ( [eE] [+-]? [0-9]{1,2} )?
any ::= string | number | "true" | "false" | "null" | anylist | anymap
anylist ::= "[" ws ( any ( ws "," ws any )* ws )? "]"
anymap ::= "{" ws ( string ws ":" ws any ( ws "," ws string ws ":" ws any )* ws )? "}"
day28 ::= "0" [1-9] | "1" [0-9] | "2" [0-8]
monthday ::= ( "0" [1-9] | "1" [0-2] ) "-" day28 | ( "0" [13-9] | "1" [0-2] ) "-" ( "29" | "30" ) | ( "0" [13578] | "1" [02] ) "-31"
leapyear ::= [0-9] [0-9] ( "0" [48] | [2468] [048] | [13579] [26] ) | ( [02468] [048] | [13579] [26] ) "00"
date ::= [0-9] [0-9] [0-9] [0-9] "-" monthday | leapyear "-02-29"
hour ::= [01] [0-9] | "2" [0-3]
minute ::= [0-5] [0-9]
time ::= hour ":" minute ":" minute ( "." [0-9]{1,9} )? ( "Z" | [+-] hour ":" minute )
atom ::= [A-Za-z0-9_+-]{1,32}
label ::= [A-Za-z0-9] ( [A-Za-z0-9-]{0,30} [A-Za-z0-9] )?
octet ::= "25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9]
`;

const FORMAT: Readonly<Record<Format, string>> = {
  date: 'date',
  time: 'time',
  'date-time': 'date "T" time',
  uuid: 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
  email: 'atom ( "." atom ){0,3} "@" label ( "." label ){1,4}',
  ipv4: 'octet "." octet "." octet "." octet',
};

/** Digits before the point, where there is no limit on that side. */
const OPEN_INTEGER = 10n ** 19n - 1n;
const UNIT = 10n ** BigInt(FRACTION_DIGITS);
const OPEN_NUMBER = 10n ** 15n * UNIT - 1n;

/** @returns rules, of which `root` is the first */
export function grammarOf(tree: SchemaTree): string {
  return new Writer(tree).text;
}

class Writer {
  private readonly rules: string[] = [];
  private readonly ruleOf = new Map<string, string>();
  private readonly names: ReadonlyMap<string, string>;

  constructor(tree: SchemaTree) {
    this.names = new Map([...tree.keys()].map((name, i) => [name, name === ROOT ? 'root' : `def${i}`]));
    for (const [name, node] of tree) this.rules.push(`${this.names.get(name)} ::= ${this.write(node)}`);
  }

  get text(): string {
    return `${this.rules.join('\n')}\n${COMMON}`;
  }

  /** A rule of its own: what it stands for is written, and compiled, once. */
  private rule(body: string): string {
    const known = this.ruleOf.get(body);
    if (known !== undefined) return known;
    const name = `r${this.rules.length}`;
    this.rules.push(`${name} ::= ${body}`);
    this.ruleOf.set(body, name);
    return name;
  }

  private write(node: SchemaNode): string {
    switch (node.kind) {
      case 'any':
        return 'any';
      case 'null':
        return '"null"';
      case 'boolean':
        return '( "true" | "false" )';
      case 'ref':
        return this.names.get(node.name)!;
      case 'anyOf':
        return either(node.options.map((option) => this.write(option)));
      case 'values':
        return either([...new Set(node.values.map((value) => literal(JSON.stringify(value))))]);
      case 'string':
        return node.least === 0 && node.most === undefined
          ? 'string'
          : this.rule(`"\\"" char${times(node.least, node.most)} "\\""`);
      case 'format':
        return this.rule(`"\\"" ${FORMAT[node.format]} "\\""`);
      case 'integer':
        return isOpen(node) ? 'integer' : this.rule(signed(node, OPEN_INTEGER, whole));
      case 'number':
        return isOpen(node) ? 'number' : this.rule(signed(node, OPEN_NUMBER, fixedPoint));
      case 'array':
        return this.array(node);
      case 'object':
        return this.object(node.members);
      case 'map': {
        if (node.values.kind === 'any') return 'anymap';
        const member = this.rule(`string ws ":" ws ${this.write(node.values)}`);
        return `"{" ws ( ${member} ( ws "," ws ${member} )* ws )? "}"`;
      }
    }
  }

  private array({ items, least, most }: Extract<SchemaNode, { kind: 'array' }>): string {
    if (most === 0) return '"[" ws "]"';
    const item = this.rule(this.write(items));
    const more = times(Math.max(0, least - 1), most === undefined ? undefined : most - 1);
    const list = `${item} ( ws "," ws ${item} )${more} ws`;
    return `"[" ws ${least > 0 ? list : `( ${list} )?`} "]"`;
  }

  /** Members in their order: from each on, what may come where one was written before, and where none was. */
  private object(members: readonly Member[]): string {
    let after = 'ws';
    let first: string | undefined = '""';
    for (const { name, node, isRequired } of members.toReversed()) {
      const member = this.rule(`${literal(JSON.stringify(name))} ws ":" ws ${this.write(node)}`);
      const begun = `${member} ${after}`;
      const next = `ws "," ws ${begun}`;
      first = isRequired ? this.rule(begun) : this.rule(`${begun} | ${first}`);
      after = isRequired ? this.rule(next) : this.rule(`${next} | ${after}`);
    }
    return `"{" ws ${first} "}"`;
  }
}

const either = (options: readonly string[]): string => `( ${options.join(' | ')} )`;

const times = (least: number, most: number | undefined): string =>
  most === undefined && least === 0 ? '*' : `{${least},${most ?? ''}}`;

/** Text as it stands, in quotes. */
function literal(text: string): string {
  const escaped = [...text].map((char) => {
    const code = char.codePointAt(0)!;
    if (char === '"' || char === '\\') return `\\${char}`;
    return code >= 32 && code < 127 ? char : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return `"${escaped.join('')}"`;
}

interface Limits {
  readonly least?: bigint | undefined;
  readonly most?: bigint | undefined;
}

const isOpen = ({ least, most }: Limits): boolean => least === undefined && most === undefined;

/** @param open the greatest value where there is no limit @param unsigned writes what lies between two values */
function signed(
  { least = -BIG, most = BIG }: Limits,
  open: bigint,
  unsigned: (least: bigint, most: bigint) => string,
): string {
  const up = least > 0n ? least : 0n;
  const down = most < 0n ? -most : 1n;
  const options: string[] = [];
  if (most >= up) options.push(unsigned(up, smaller(most, open)));
  if (-least >= down) options.push(`"-" ${unsigned(down, smaller(-least, open))}`);
  return either(options);
}

const BIG = 10n ** 30n;
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Whole numbers, by how many digits they have. */
function whole(least: bigint, most: bigint): string {
  const options: string[] = [];
  for (let digits = `${least}`.length; digits <= `${most}`.length; digits++) {
    const [smallest, greatest] = [digits === 1 ? 0n : 10n ** BigInt(digits - 1), 10n ** BigInt(digits) - 1n];
    options.push(
      digitsBetween(least > smallest ? least : smallest, smaller(most, greatest), digits, exactly),
    );
  }
  return either(options);
}

/** Numbers with a point, in units of their last digit. */
function fixedPoint(least: bigint, most: bigint): string {
  const [from, to] = [least / UNIT, most / UNIT];
  const [low, high] = [least % UNIT, most % UNIT];
  if (from === to) return `"${from}" ${fraction(low, high)}`;
  const options = [`"${from}" ${fraction(low, UNIT - 1n)}`, `"${to}" ${fraction(0n, high)}`];
  if (to - from > 1n) options.push(`${whole(from + 1n, to - 1n)} ${fraction(0n, UNIT - 1n)}`);
  return either(options);
}

function fraction(least: bigint, most: bigint): string {
  if (most === 0n) return `( "." "0"{1,${FRACTION_DIGITS}} )?`;
  const digits = `"." ${digitsBetween(least, most, FRACTION_DIGITS, atMost)}`;
  return least === 0n ? `( ${digits} )?` : digits;
}

type Rest = (digits: number) => string;
const exactly: Rest = (digits) => (digits === 0 ? '' : `[0-9]{${digits}}`);
/** Zeros at the end need not be written. */
const atMost: Rest = (digits) => (digits === 0 ? '' : `[0-9]{0,${digits}}`);

/** Numbers of so many digits, zeros in front of them included. @param any how any so many digits are written */
function digitsBetween(least: bigint, most: bigint, digits: number, any: Rest): string {
  if (digits === 0) return '""';
  const unit = 10n ** BigInt(digits - 1);
  const [from, to] = [least / unit, most / unit];
  const [low, high] = [least % unit, most % unit];
  const rest = (a: bigint, b: bigint): string => {
    if (a === 0n && b === unit - 1n) return any(digits - 1);
    const more = digitsBetween(a, b, digits - 1, any);
    return a === 0n && any === atMost ? `( ${more} )?` : more;
  };
  if (from === to) return `"${from}" ${rest(low, high)}`;
  const [first, last] = [low === 0n ? from : from + 1n, high === unit - 1n ? to : to - 1n];
  const options: string[] = [];
  if (low > 0n) options.push(`"${from}" ${rest(low, unit - 1n)}`);
  if (first <= last) options.push(`[${first}-${last}] ${any(digits - 1)}`);
  if (high < unit - 1n) options.push(`"${to}" ${rest(0n, high)}`);
  return either(options);
}
