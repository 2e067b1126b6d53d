#include <algorithm>

#include "backends/cuda/single.h"
#include "backends/cuda/single_name.h"

namespace tenon_cuda {
namespace {

// The programs are short; `value` is a value number.
class Matcher {
 public:
  explicit Matcher(const TenonProgram& program) : p_(program) {}

  std::optional<SingleProgram> Match() {
    const TenonInstr& last = p_.instr[p_.outputs[0]];
    const int operands = tenon_opcode_operands(last.op);
    if (last.op == TENON_OP_INDEX) {
      found_.is_index = true;
      found_.name = "index_i64";
    } else if (operands == 0) {  // a copy or a fill
      found_.name = CopyName(tenon_dtype_size(last.dtype));
      if (!Leaf(p_.outputs[0])) return {};
    } else if (auto half = MatchHalf(last); half) {
      return half;
    } else {
      found_.name = SingleName(last.op, OwnDtype(last), last.dtype);
      const uint16_t values[] = {last.a, last.b, last.c};
      for (int k = 0; k < operands; ++k) {
        if (!Leaf(values[k])) return {};
      }
    }
    Widen(last.dtype);
    return found_;
  }

 private:
  // The dtype that names the opcode's kernel.
  uint32_t OwnDtype(const TenonInstr& t) const {
    return t.op == TENON_OP_SELECT ? t.dtype : p_.instr[t.a].dtype;
  }
  void Widen(uint32_t dtype) { found_.widest = std::max(found_.widest, tenon_dtype_size(dtype)); }

  bool Leaf(uint32_t value) {
    const TenonInstr& t = p_.instr[value];
    SingleSource source;
    switch (t.op) {
      case TENON_OP_INPUT:
        source = {SingleSource::kInput, static_cast<uint32_t>(t.imm), 0};
        break;
      case TENON_OP_SCALAR:
        source = {SingleSource::kScalar, static_cast<uint32_t>(t.imm), 0};
        break;
      case TENON_OP_CONST:
        source = {SingleSource::kConst, 0, t.imm};
        break;
      default:
        return false;
    }
    Widen(t.dtype);
    found_.sources[found_.n_sources++] = source;
    return true;
  }

  // CAST(op_f32(CAST(x), CAST(y))) with x and y of one 16-bit float is op on that dtype.
  std::optional<SingleProgram> MatchHalf(const TenonInstr& last) {
    const TenonInstr* op = &last;
    if (last.op == TENON_OP_CAST) op = &p_.instr[last.a];
    const int operands = tenon_opcode_operands(op->op);
    const bool compares = op->op >= TENON_OP_EQ && op->op <= TENON_OP_LE;
    if (operands == 0 || op->op == TENON_OP_CAST || op->op == TENON_OP_BITCAST ||
        op->op == TENON_OP_SELECT || (op == &last) != compares) {
      return {};
    }
    const uint16_t values[] = {op->a, op->b, op->c};
    const uint32_t half = compares ? SourceOfCast(op->a) : last.dtype;
    if (half != TENON_F16 && half != TENON_BF16) return {};
    Matcher inner(p_);
    for (int k = 0; k < operands; ++k) {
      if (SourceOfCast(values[k]) != half || !inner.Leaf(p_.instr[values[k]].a)) return {};
    }
    inner.Widen(last.dtype);
    inner.found_.name = SingleName(op->op, half, half);
    return inner.found_;
  }

  // The dtype that a CAST to f32 starts from; 0 if it is none.
  uint32_t SourceOfCast(uint32_t value) const {
    const TenonInstr& t = p_.instr[value];
    return t.op == TENON_OP_CAST && t.dtype == TENON_F32 ? p_.instr[t.a].dtype : 0;
  }

  const TenonProgram& p_;
  SingleProgram found_;
};

}  // namespace

std::optional<SingleProgram> MatchSingle(const TenonKernelDesc& desc) {
  if (desc.n_reducers != 0 || desc.program->n_outputs != 1) return {};
  return Matcher(*desc.program).Match();
}

}  // namespace tenon_cuda
