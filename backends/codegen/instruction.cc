#include "backends/codegen/instruction.h"

#include <cinttypes>
#include <cstdio>

#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_program.h"
#include "tenon/backends/codegen/emit.h"

namespace tenon_codegen {
namespace {

std::string Lower(const char* name) {
  std::string lower;
  for (; *name != '\0'; ++name) {
    lower += static_cast<char>(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
  }
  return lower;
}

// Bits are exact, whatever the language makes of decimal numbers; the number is for the reader.
std::string Constant(uint32_t dtype, uint64_t bits) {
  char text[96];
  double number = 0;
  switch (dtype) {
    case TENON_F16:
      number = static_cast<double>(tenon_f16_to_f32(static_cast<uint16_t>(bits)));
      break;
    case TENON_BF16:
      number = static_cast<double>(tenon_bf16_to_f32(static_cast<uint16_t>(bits)));
      break;
    case TENON_F32:
      number = static_cast<double>(tenon_f32_from_bits(static_cast<uint32_t>(bits)));
      break;
    case TENON_F64:
      memcpy(&number, &bits, sizeof number);
      break;
    default:
      snprintf(text, sizeof text, "from_bits_%s(U64(0x%" PRIx64 "))", tenon_dtype_name(dtype),
               bits);
      return text;
  }
  snprintf(text, sizeof text, "from_bits_%s(U64(0x%" PRIx64 ")) /* %.9g */",
           tenon_dtype_name(dtype), bits, number);
  return text;
}

}  // namespace

const char* TypeName(uint32_t dtype) {
  return dtype == TENON_BOOL ? "boolean" : tenon_dtype_name(dtype);
}

std::string EmitProgram(const TenonProgram& program, const std::string& prefix,
                        const std::vector<std::string>& inputs, const std::string& launch,
                        const std::string& index, const std::string& indent) {
  std::string text;
  for (uint32_t i = 0; i < program.n_instr; ++i) {
    const TenonInstr& t = program.instr[i];
    const std::string from = tenon_dtype_name(tenon_instr_operand_dtype(&program, &t));
    const std::string to = tenon_dtype_name(t.dtype);
    const std::string a = prefix + std::to_string(t.a), b = prefix + std::to_string(t.b),
                      c = prefix + std::to_string(t.c);
    std::string value;
    switch (t.op) {
      case TENON_OP_INPUT:
        value = inputs[t.imm];
        break;
      case TENON_OP_SCALAR:
        value = "from_bits_" + to + "(" + launch + "scalars[" + std::to_string(t.imm) + "])";
        break;
      case TENON_OP_CONST:
        value = Constant(t.dtype, t.imm);
        break;
      case TENON_OP_INDEX:
        value = index;
        break;
      case TENON_OP_CAST:
        value = "cast_" + from + "_" + to + "(" + a + ")";
        break;
      case TENON_OP_BITCAST:
        value = "from_bits_" + to + "(to_bits_" + from + "(" + a + "))";
        break;
      default: {
        const int operands = tenon_opcode_operands(t.op);
        value = Lower(tenon_opcode_name(t.op)) + "_" + from + "(" + a;
        if (operands > 1) value += ", " + b;
        if (operands > 2) value += ", " + c;
        value += ")";
      }
    }
    text += indent + "const " + TypeName(t.dtype) + " " + prefix + std::to_string(i) + " = " +
            value + ";\n";
  }
  return text;
}

}  // namespace tenon_codegen
