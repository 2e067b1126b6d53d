#include "backends/cpu/program.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

TenonStatus CheckInstr(const TenonProgram& source, uint32_t i, TenonError* error) {
  const TenonInstr& t = source.instr[i];
  const int operands = tenon_opcode_operands(t.op);
  if (operands < 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown opcode %u at %u", t.op, i);
  if (t.dtype == 0 || t.dtype >= TENON_DTYPE_COUNT)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown dtype %u at %u", t.dtype, i);
  if (t.flags != 0 || t.reserved != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown flags %u at %u", t.flags, i);
  const uint16_t names[3] = {t.a, t.b, t.c};
  for (int k = 0; k < operands; ++k) {
    if (names[k] >= i)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: value %u used at %u", names[k], i);
  }
  if (t.op == TENON_OP_INPUT) {
    if (t.imm >= source.n_inputs)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: input %llu of %u",
                        (unsigned long long)t.imm, source.n_inputs);
    return TENON_OK;  // also of a dtype that can only be stored again
  }
  if (t.op == TENON_OP_SCALAR && t.imm >= source.n_scalars) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: scalar %llu of %u",
                      (unsigned long long)t.imm, source.n_scalars);
  }
  const auto dtype_of = [&](uint16_t value) { return uint32_t{source.instr[value].dtype}; };
  uint32_t from = t.dtype;  // the dtype that decides whether the opcode is defined
  bool agree = true;
  switch (t.op) {
    case TENON_OP_CAST:
      from = dtype_of(t.a);
      break;
    case TENON_OP_BITCAST:
      from = dtype_of(t.a);
      agree = tenon_dtype_size(from) == tenon_dtype_size(t.dtype);
      break;
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
      from = dtype_of(t.a);
      agree = t.dtype == TENON_BOOL && dtype_of(t.b) == from;
      break;
    case TENON_OP_SELECT:
      agree = dtype_of(t.a) == TENON_BOOL && dtype_of(t.b) == t.dtype && dtype_of(t.c) == t.dtype;
      break;
    case TENON_OP_PHILOX:
      from = dtype_of(t.a);
      agree = t.dtype == TENON_U32 && dtype_of(t.b) == TENON_U64;
      break;
    default:
      for (int k = 0; k < operands; ++k) agree = agree && dtype_of(names[k]) == t.dtype;
      break;
  }
  if (!agree)
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: the operands' dtypes do not suit %s at %u", tenon_opcode_name(t.op), i);
  // A result is of a dtype that programs compute in, but for what CAST makes to be stored.
  const uint32_t result_of = t.op == TENON_OP_CAST ? TENON_OP_CAST : TENON_OP_SELECT;
  if (!tenon_opcode_defined(t.op, from) || !tenon_opcode_defined(result_of, t.dtype)) {
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: %s is not defined for %s",
                      tenon_opcode_name(t.op), tenon_dtype_name(from));
  }
  return TENON_OK;
}

}  // namespace

TenonStatus CheckProgram(const TenonProgram& source, TenonError* error) {
  if (source.size < sizeof(TenonProgram))
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: TenonProgram of %u bytes", source.size);
  if (!tenon_struct_ok(&source, sizeof source) || source.flags != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields in a program");
  if (source.n_instr > kMaxInstrs || source.n_scalars > kMaxScalars ||
      source.n_inputs > kMaxOperands || source.n_outputs > kMaxOperands - source.n_inputs) {
    return tenon_fail(error, TENON_UNSUPPORTED,
                      "cpu: a program of %u instructions, %u inputs, %u outputs, %u scalars; the "
                      "limits are %u, %u together, %u",
                      source.n_instr, source.n_inputs, source.n_outputs, source.n_scalars,
                      kMaxInstrs, kMaxOperands, kMaxScalars);
  }
  if ((source.n_instr > 0 && source.instr == nullptr) ||
      (source.n_outputs > 0 && source.outputs == nullptr)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: a program without its arrays");
  }
  uint8_t input_dtypes[kMaxOperands] = {};
  for (uint32_t i = 0; i < source.n_instr; ++i) {
    const TenonStatus status = CheckInstr(source, i, error);
    if (status != TENON_OK) return status;
    const TenonInstr& t = source.instr[i];
    if (t.op != TENON_OP_INPUT) continue;
    uint8_t& seen = input_dtypes[t.imm];
    if (seen != 0 && seen != t.dtype)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: input %u read with two dtypes",
                        (unsigned)t.imm);
    seen = static_cast<uint8_t>(t.dtype);
  }
  for (uint32_t o = 0; o < source.n_outputs; ++o) {
    if (source.outputs[o] >= source.n_instr)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: output %u is value %u of %u", o,
                        source.outputs[o], source.n_instr);
  }
  return TENON_OK;
}

}  // namespace tenon_cpu
