#include "backends/cpu/program.h"

#include <algorithm>
#include <cstring>

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

template <uint32_t kItem>
void Move(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  if (dst != a) std::memcpy(dst, a, static_cast<size_t>(n) * kItem);
}

ArrayFn FindMove(uint32_t item) {
  switch (item) {
    case 1:
      return &Move<1>;
    case 2:
      return &Move<2>;
    case 4:
      return &Move<4>;
    default:
      return &Move<8>;
  }
}

bool IsUniform(Kind kind) {
  return kind == Kind::kConstant || kind == Kind::kScalar || kind == Kind::kUniform;
}

// Hands out registers; one whose value has died is used again.
class Registers {
 public:
  uint16_t Take() {
    if (free_.empty()) return static_cast<uint16_t>(count_++);
    const uint16_t reg = free_.back();
    free_.pop_back();
    return reg;
  }
  void Give(uint16_t reg) { free_.push_back(reg); }
  uint32_t count() const { return count_; }

 private:
  std::vector<uint16_t> free_;
  uint32_t count_ = 0;
};

// Inputs, indices and spread-out uniforms have their registers from the start of a block; the rest
// from the step that computes them to their last use. A result may take the register of an operand
// that ends there only if the elements have the same size: array functions allow exact overlap and
// no other.
void AssignRegisters(Program& p, const std::vector<uint32_t>& last_use) {
  Registers registers;
  for (Value& v : p.values) {
    v.reg = kNoRegister;
    const bool from_start =
        v.kind == Kind::kInput || v.kind == Kind::kIndex || (IsUniform(v.kind) && v.filled);
    if (from_start) v.reg = registers.Take();
  }
  constexpr uint32_t forever = 0xffffffff;
  for (uint32_t s = 0; s < p.steps.size(); ++s) {
    const Step& step = p.steps[s];
    const uint16_t names[3] = {step.a, step.b, step.c};
    uint16_t dying[3];
    uint32_t n_dying = 0;
    for (uint16_t name : names) {
      const Value& v = p.values[name];
      const bool lives_on = IsUniform(v.kind) || v.reg == kNoRegister ||
                            last_use[name] == forever || last_use[name] != s;
      if (!lives_on && std::find(dying, dying + n_dying, name) == dying + n_dying)
        dying[n_dying++] = name;
    }
    Value& result = p.values[step.value];
    for (uint32_t k = 0; k < n_dying; ++k) {
      if (p.values[dying[k]].item == result.item) registers.Give(p.values[dying[k]].reg);
    }
    result.reg = registers.Take();
    for (uint32_t k = 0; k < n_dying; ++k) {
      if (p.values[dying[k]].item != result.item) registers.Give(p.values[dying[k]].reg);
    }
  }
  p.n_registers = registers.count();
}

void ChooseBlock(Program& p) {
  p.register_item = 1;
  for (const Value& v : p.values) p.register_item = std::max<uint32_t>(p.register_item, v.item);
  // All registers within the first-level cache, where that leaves blocks long enough to hide the
  // calls.
  const int64_t per_element = std::max<int64_t>(1, p.n_registers) * p.register_item;
  p.block = std::clamp<int64_t>((32 << 10) / per_element / 64 * 64, 128, 1024);
  p.block = std::min(p.block, kRegisterBytes / per_element / 8 * 8);
}

}  // namespace

ArrayFn FindKernel(uint32_t op, uint32_t dtype, uint32_t result) {
  if (op == TENON_OP_CAST) return FindCast(dtype, result);
  if (op == TENON_OP_BITCAST) {
    return result == TENON_BOOL ? FindCast(TENON_U8, TENON_BOOL)
                                : FindMove(tenon_dtype_size(dtype));
  }
  if (op == TENON_OP_PHILOX) return FindPhilox();
  if (const ArrayFn fn = FindArithmetic(op, dtype)) return fn;
  if (const ArrayFn fn = FindLogic(op, dtype)) return fn;
  return FindMath(op, dtype);
}

TenonStatus CompileProgram(const TenonProgram& source, const uint16_t* extra_uses,
                           uint32_t n_extra_uses, Program* program, TenonError* error) {
  if (const TenonStatus status = CheckProgram(source, error); status != TENON_OK) return status;
  Program& p = *program;
  p.n_scalars = source.n_scalars;
  p.ramp = FindRamp();
  p.input_dtypes.assign(source.n_inputs, 0);
  constexpr uint32_t forever = 0xffffffff;
  std::vector<uint32_t> last_use(source.n_instr, 0);
  for (uint32_t i = 0; i < source.n_instr; ++i) {
    const TenonInstr& t = source.instr[i];
    Value v{};
    v.dtype = static_cast<uint8_t>(t.dtype);
    v.item = static_cast<uint8_t>(tenon_dtype_size(t.dtype));
    v.slot = static_cast<uint16_t>(t.imm);
    v.bits = t.imm;
    const uint16_t index = static_cast<uint16_t>(i);
    switch (t.op) {
      case TENON_OP_INPUT:
        v.kind = Kind::kInput;
        p.input_dtypes[t.imm] = v.dtype;
        p.inputs.push_back(index);
        break;
      case TENON_OP_SCALAR:
        v.kind = Kind::kScalar;
        break;
      case TENON_OP_CONST:
        v.kind = Kind::kConstant;
        break;
      case TENON_OP_INDEX:
        v.kind = Kind::kIndex;
        p.indices.push_back(index);
        break;
      default: {
        const int operands = tenon_opcode_operands(t.op);
        // Operands beyond the opcode's own repeat the first, so that steps can be treated alike.
        Step step{nullptr,      index, t.a, operands > 1 ? t.b : t.a, operands > 2 ? t.c : t.a,
                  operands == 2};
        const uint32_t dtype = t.op == TENON_OP_SELECT ? t.dtype : source.instr[t.a].dtype;
        step.fn = FindKernel(t.op, dtype, t.dtype);
        if (step.fn == nullptr) {
          return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no %s for %s", tenon_opcode_name(t.op),
                            tenon_dtype_name(dtype));
        }
        const bool uniform = IsUniform(p.values[step.a].kind) && IsUniform(p.values[step.b].kind) &&
                             IsUniform(p.values[step.c].kind);
        v.kind = uniform ? Kind::kUniform : Kind::kComputed;
        if (!uniform) {
          for (uint16_t name : {step.a, step.b, step.c}) {
            last_use[name] = static_cast<uint32_t>(p.steps.size());
            if (!step.heeds_splat) p.values[name].filled = true;
          }
        }
        (uniform ? p.uniform_steps : p.steps).push_back(step);
        break;
      }
    }
    p.values.push_back(v);
  }
  for (uint32_t o = 0; o < source.n_outputs; ++o) {
    const uint16_t value = static_cast<uint16_t>(source.outputs[o]);
    p.outputs.push_back(value);
    p.values[value].filled = true;
    last_use[value] = forever;
    p.passes_inputs =
        p.passes_inputs || (source.n_outputs > 1 && p.values[value].kind == Kind::kInput);
  }
  for (uint32_t k = 0; k < n_extra_uses; ++k) {
    p.values[extra_uses[k]].filled = true;
    last_use[extra_uses[k]] = forever;
  }
  for (uint32_t i = 0; i < source.n_instr; ++i) {
    const Value& v = p.values[i];
    if (v.kind == Kind::kConstant || v.kind == Kind::kScalar)
      p.fixed.push_back(static_cast<uint16_t>(i));
    if (IsUniform(v.kind) && v.filled) p.spread.push_back(static_cast<uint16_t>(i));
  }
  uint32_t last_input_use = 0;
  for (uint16_t v : p.inputs) last_input_use = std::max(last_input_use, last_use[v]);
  for (uint32_t s = 0; s < p.steps.size(); ++s) {
    const bool is_output =
        std::find(p.outputs.begin(), p.outputs.end(), p.steps[s].value) != p.outputs.end();
    p.outputs_early = p.outputs_early || (is_output && s < last_input_use);
  }
  AssignRegisters(p, last_use);
  ChooseBlock(p);
  return TENON_OK;
}

}  // namespace tenon_cpu
