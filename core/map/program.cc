#include "tenon/map/program.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <type_traits>

#include "tenon/base/half.h"

namespace tenon::map {
namespace {

struct Opcode {
  char name[12];  // lower case
  int arity;
  bool required;
};

constexpr Opcode opcode(const char* name, int arity, char kind) {
  Opcode result{{}, arity, kind == 'R'};
  for (int i = 0; name[i] != 0; ++i) {
    result.name[i] =
        name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return result;
}

struct OpcodeTable {
  Opcode rows[TENON_OPCODE_COUNT] = {};
};
constexpr OpcodeTable make_opcode_table() {
  OpcodeTable table;
  table.rows[0] = opcode("?", 0, 'O');
#define TENON_ROW(name, number, operands, kind) \
  table.rows[number] = opcode(#name, operands, #kind[0]);
  TENON_OPCODES(TENON_ROW)
#undef TENON_ROW
  return table;
}
constexpr OpcodeTable kOpcodes = make_opcode_table();

const Opcode& row(uint16_t opcode) {
  return kOpcodes.rows[opcode < TENON_OPCODE_COUNT ? opcode : 0];
}

// The frozen array structs have no padding, so their bytes are their value.
static_assert(std::has_unique_object_representations_v<TenonInstr>);
static_assert(std::has_unique_object_representations_v<TenonReducer>);

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Words in, 64 bits out; each step is a bijection of the word (multiplication by an odd number,
// xor-shift), so no single changed field is lost. Not against malice: users of the hash compare the
// whole program too.
class Hash {
 public:
  void word(uint64_t w) {
    state_ = (state_ ^ w) * 0x9E3779B97F4A7C15ull;
    state_ ^= state_ >> 32;
  }
  void instruction(const TenonInstr& t) {
    word(t.op | uint64_t{t.dtype} << 16 | uint64_t{t.a} << 32 | uint64_t{t.b} << 48);
    word(t.c | uint64_t{t.flags} << 16 | uint64_t{t.reserved} << 32);
    word(t.imm);
  }
  void program(const Program& p) {
    word(p.inputs.size());
    for (DType d : p.inputs) word(static_cast<uint64_t>(d));
    word(p.scalars.size());
    for (DType d : p.scalars) word(static_cast<uint64_t>(d));
    word(p.code.size());
    for (const TenonInstr& t : p.code) instruction(t);
    word(p.outputs.size());
    for (uint32_t output : p.outputs) word(output);
    word(p.slopes.size());
    for (const Slope& s : p.slopes)
      word(s.result | uint64_t{s.operand} << 16 | uint64_t{s.slope} << 32);
  }
  uint64_t finish() const {  // the last word has not reached all bits yet
    uint64_t h = state_ * 0xD6E8FEB86659FD93ull;
    return h ^ h >> 32;
  }

 private:
  uint64_t state_ = 0x7465'6E6F'6E20'6D61ull;  // "tenon ma"
};

void append_constant(std::string& out, DType dtype, uint64_t bits) {
  char buffer[64];
  char* end = buffer;
  auto write = [&](auto value) { end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr; };
  switch (dtype) {
    case DType::bool_:
      out += bits != 0 ? "true" : "false";
      return;
    case DType::int8:
      write(static_cast<int8_t>(bits));
      break;
    case DType::int16:
      write(static_cast<int16_t>(bits));
      break;
    case DType::int32:
      write(static_cast<int32_t>(bits));
      break;
    case DType::int64:
      write(static_cast<int64_t>(bits));
      break;
    case DType::float16:
      write(tenon_f16_to_f32(static_cast<uint16_t>(bits)));
      break;
    case DType::bfloat16:
      write(tenon_bf16_to_f32(static_cast<uint16_t>(bits)));
      break;
    case DType::float32:
      write(std::bit_cast<float>(static_cast<uint32_t>(bits)));
      break;
    case DType::float64:
      write(std::bit_cast<double>(bits));
      break;
    default:
      write(bits);
      break;
  }
  out.append(buffer, end);
}

void append_value(std::string& out, uint32_t id) {
  out += '%';
  out += std::to_string(id);
}

}  // namespace

bool Program::uses(uint16_t opcode) const {
  for (const TenonInstr& t : code) {
    if (t.op == opcode) return true;
  }
  return false;
}

bool operator==(const Program& a, const Program& b) {
  return a.inputs == b.inputs && a.scalars == b.scalars && a.outputs == b.outputs &&
         a.slopes == b.slopes && same_bytes(a.code, b.code);
}

bool operator==(const Kernel& a, const Kernel& b) {
  return a.program == b.program && same_bytes(a.reducers, b.reducers) && a.epilogue == b.epilogue;
}

Program without_slopes(const Program& program) {
  std::vector<bool> alive(program.code.size());
  for (uint32_t output : program.outputs) alive[output] = true;
  for (size_t i = program.code.size(); i-- > 0;) {
    const TenonInstr& t = program.code[i];
    const ValueId operands[] = {t.a, t.b, t.c};
    for (int k = 0; alive[i] && k < opcode_arity(t.op); ++k) alive[operands[k]] = true;
  }

  Program result;
  result.inputs = program.inputs;
  result.scalars = program.scalars;
  std::vector<ValueId> renumbered(program.code.size(), kNoValue);
  for (size_t i = 0; i < program.code.size(); ++i) {
    if (!alive[i]) continue;
    TenonInstr t = program.code[i];
    ValueId* operands[] = {&t.a, &t.b, &t.c};
    for (int k = 0; k < opcode_arity(t.op); ++k) *operands[k] = renumbered[*operands[k]];
    renumbered[i] = static_cast<ValueId>(result.code.size());
    result.code.push_back(t);
  }
  for (uint32_t output : program.outputs) result.outputs.push_back(renumbered[output]);
  return result;
}

uint64_t content_hash(const Program& program) {
  Hash hash;
  hash.program(program);
  return hash.finish();
}

uint64_t content_hash(const Kernel& kernel) {
  Hash hash;
  hash.program(kernel.program);
  hash.word(kernel.reducers.size());
  for (const TenonReducer& r : kernel.reducers) {
    hash.word(r.kind | uint64_t{r.acc_dtype} << 16 | uint64_t{r.value} << 32 |
              uint64_t{r.key} << 48);
    hash.word(r.reserved);
  }
  hash.program(kernel.epilogue);
  return hash.finish();
}

std::string text(const Program& program) {
  std::string out;
  for (size_t i = 0; i < program.code.size(); ++i) {
    const TenonInstr& t = program.code[i];
    const DType dtype = static_cast<DType>(t.dtype);
    append_value(out, static_cast<uint32_t>(i));
    out += " = ";
    out += opcode_name(t.op);
    if (t.op == TENON_OP_INPUT || t.op == TENON_OP_SCALAR) {
      out += ' ';
      out += std::to_string(t.imm);
    } else if (t.op == TENON_OP_CONST) {
      out += ' ';
      append_constant(out, dtype, t.imm);
    }
    const ValueId operands[] = {t.a, t.b, t.c};
    for (int k = 0; k < opcode_arity(t.op); ++k) {
      out += ' ';
      append_value(out, operands[k]);
    }
    out += " : ";
    out += dtype_name(dtype);
    out += '\n';
  }
  for (uint32_t output : program.outputs) {
    out += "output ";
    append_value(out, output);
    out += '\n';
  }
  for (const Slope& s : program.slopes) {
    out += "slope d";
    append_value(out, s.result);
    out += "/d";
    append_value(out, s.operand);
    out += " = ";
    append_value(out, s.slope);
    out += '\n';
  }
  return out;
}

const char* opcode_name(uint16_t opcode) { return row(opcode).name; }
int opcode_arity(uint16_t opcode) { return row(opcode).arity; }
bool opcode_required(uint16_t opcode) { return row(opcode).required; }

}  // namespace tenon::map
