/**
 * Writes a Graph as an ONNX ModelProto. Protocol Buffers need only two wire types here: variable-length integers and
 * length-delimited bytes (plus fixed 32-bit floats in attributes). Field numbers: onnx/onnx.proto.
 */
import type { Attribute, Dim, Dtype, Graph, Initializer, Node, Subgraph, Tensor } from './graph.ts';

const IR_VERSION = 10;
const OPSET = 21;
/** TensorProto.DataType. */
const DATA_TYPE: Record<Dtype, number> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
};
/** AttributeProto.AttributeType. */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const GRAPH = 5;
const INTS = 7;

/** A message under construction: fields are appended in order. */
class Message {
  private readonly parts: Uint8Array[] = [];

  int(field: number, value: number): this {
    return this.raw(varint(field * 8), varint(value));
  }

  float(field: number, value: number): this {
    return this.raw(varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
  }

  bytes(field: number, value: Uint8Array | string | Message): this {
    const body =
      typeof value === 'string'
        ? new TextEncoder().encode(value)
        : value instanceof Message
          ? value.finish()
          : value;
    return this.raw(varint(field * 8 + 2), varint(body.length), body);
  }

  finish(): Uint8Array {
    const whole = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  private raw(...parts: Uint8Array[]): this {
    this.parts.push(...parts);
    return this;
  }
}

/** Base-128 variable-length integer; a negative one is its 64-bit two's complement. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().bytes(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, INT);
  if (typeof value === 'string') return message.bytes(4, value).int(20, STRING);
  if ('nodes' in value) return message.bytes(6, subgraph(value)).int(20, GRAPH);
  if ('float' in value) return message.float(2, value.float).int(20, FLOAT);
  for (const item of value) message.int(8, item);
  return message.int(20, INTS);
}

function node(source: Node): Message {
  const message = new Message();
  for (const input of source.inputs) message.bytes(1, input?.name ?? '');
  for (const output of source.outputs) message.bytes(2, output.name);
  message.bytes(3, source.name).bytes(4, source.op);
  for (const [name, value] of Object.entries(source.attributes)) message.bytes(5, attribute(name, value));
  return message.bytes(7, source.domain);
}

function subgraph({ name, inputs, nodes, outputs }: Subgraph): Message {
  const message = new Message();
  for (const source of nodes) message.bytes(1, node(source));
  message.bytes(2, name);
  for (const source of inputs) message.bytes(11, valueInfo(source));
  for (const source of outputs) message.bytes(12, valueInfo(source));
  return message;
}

function initializer(source: Initializer): Message {
  const message = new Message();
  for (const dim of source.tensor.shape) message.int(1, Number(dim));
  message.int(2, DATA_TYPE[source.tensor.dtype]).bytes(8, source.tensor.name);
  if ('raw' in source) return message.bytes(9, source.raw);
  const { file, offset, length } = source.external;
  for (const [key, value] of Object.entries({ location: file, offset, length })) {
    message.bytes(13, new Message().bytes(1, key).bytes(2, String(value)));
  }
  return message.int(14, 1);
}

function valueInfo(tensor: Tensor): Message {
  const dims = new Message();
  for (const dim of tensor.shape) dims.bytes(1, dimension(dim));
  const type = new Message().int(1, DATA_TYPE[tensor.dtype]).bytes(2, dims);
  return new Message().bytes(1, tensor.name).bytes(2, new Message().bytes(1, type));
}

function dimension(dim: Dim): Message {
  return typeof dim === 'number' ? new Message().int(1, dim) : new Message().bytes(2, dim);
}

export function writeOnnx(graph: Graph, name: string): Uint8Array {
  const body = new Message();
  for (const source of graph.nodes) body.bytes(1, node(source));
  body.bytes(2, name);
  for (const source of graph.initializers) body.bytes(5, initializer(source));
  for (const tensor of graph.inputs) body.bytes(11, valueInfo(tensor));
  for (const tensor of graph.outputs) body.bytes(12, valueInfo(tensor));
  const opset = (domain: string, version: number) => new Message().bytes(1, domain).int(2, version);
  return new Message()
    .int(1, IR_VERSION)
    .bytes(2, 'patchbay')
    .bytes(7, body)
    .bytes(8, opset('', OPSET))
    .bytes(8, opset('com.microsoft', 1))
    .finish();
}
