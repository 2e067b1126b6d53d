#include "tests/codegen/samples.h"

#include <random>
#include <utility>

#include "tenon/abi/tenon_plugin_kit.h"

namespace {

constexpr size_t kOutputsPerSample = 10;

// Is the result of `op` on this dtype one correctly rounded value?
bool IsExact(uint32_t op, uint32_t dtype) {
  if (!tenon_dtype_is_float(dtype)) return true;
  switch (op) {
    case TENON_OP_EXP:
    case TENON_OP_LOG:
    case TENON_OP_SIN:
    case TENON_OP_COS:
    case TENON_OP_TANH:
    case TENON_OP_ERF:
    case TENON_OP_POW:
    case TENON_OP_RSQRT:
      return false;
    default:
      return op < TENON_OP_EXP2 || op >= TENON_OP_COPYSIGN;
  }
}

bool HasNoOperands(uint32_t op) { return tenon_opcode_operands(op) == 0; }

uint16_t ResultDtype(uint32_t op, uint32_t dtype) {
  switch (op) {
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
      return TENON_BOOL;
    case TENON_OP_PHILOX:
      return TENON_U32;
    default:
      return static_cast<uint16_t>(dtype);
  }
}

void Finish(std::vector<Sample>& samples, std::string name, std::unique_ptr<ProgramBuilder> program,
            bool exact) {
  Sample s;
  s.name = std::move(name);
  s.program = std::move(program);
  s.text = std::make_unique<KernelText>(*s.program);
  s.exact = exact;
  samples.push_back(std::move(s));
}

// All opcodes of one dtype, several outputs to a program; exact ones apart from the others.
void AddOpcodes(std::vector<Sample>& samples, uint16_t dtype, bool exact) {
  const std::string kind = std::string(tenon_dtype_name(dtype)) + (exact ? "_exact" : "_close");
  std::unique_ptr<ProgramBuilder> p;
  size_t outputs = 0;
  int part = 0;
  ProgramBuilder::Value a = 0, b = 0, c = 0, condition = 0;
  const auto flush = [&] {
    if (p != nullptr && outputs != 0)
      Finish(samples, kind + std::to_string(part++), std::move(p), exact);
    p = nullptr;
  };
  const auto output = [&](auto make) {
    if (p == nullptr || outputs == kOutputsPerSample) {
      flush();
      p = std::make_unique<ProgramBuilder>();
      a = p->Input(dtype);
      b = p->Input(dtype);
      c = p->Input(dtype);
      condition = p->Input(TENON_BOOL);
      outputs = 0;
    }
    p->Output(make());
    ++outputs;
  };
  for (uint16_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
    if (HasNoOperands(op) || !tenon_opcode_defined(op, dtype) || IsExact(op, dtype) != exact)
      continue;
    if (op == TENON_OP_SELECT) {
      output([&] { return p->Op(op, dtype, condition, a, b); });
    } else if (op == TENON_OP_CAST || op == TENON_OP_BITCAST) {
      for (uint16_t to = TENON_BOOL; to <= TENON_F64; ++to) {
        if (op == TENON_OP_BITCAST && tenon_dtype_size(to) != tenon_dtype_size(dtype)) continue;
        output([&] { return p->Op(op, to, a); });
      }
    } else {
      output([&] { return p->Op(op, ResultDtype(op, dtype), a, b, c); });
    }
  }
  if (exact) {
    output([&] { return p->Scalar(dtype); });
    output([&] { return p->Const(dtype, uint8_t{1}); });
    if (dtype == TENON_I64) output([&] { return p->Op(TENON_OP_INDEX, dtype); });
  }
  flush();
}

class RandomProgram {
 public:
  explicit RandomProgram(unsigned seed) : random_(seed), p_(std::make_unique<ProgramBuilder>()) {}

  std::unique_ptr<ProgramBuilder> Make() {
    for (uint32_t i = 0, n = 1 + Below(3); i < n; ++i) {
      const uint16_t dtype = AnyDtype();
      Keep(p_->Input(dtype), dtype);
    }
    for (uint32_t i = 0, n = Below(3); i < n; ++i) {
      const uint16_t dtype = AnyDtype();
      Keep(p_->Scalar(dtype), dtype);
    }
    if (Below(3) == 0) Keep(p_->Op(TENON_OP_INDEX, TENON_I64), TENON_I64);
    for (uint32_t i = 0, n = 4 + Below(24); i < n; ++i) Step();
    p_->Output(values_.back().first);
    for (uint32_t i = 0, n = Below(4); i < n; ++i) p_->Output(values_[Below(values_.size())].first);
    return std::move(p_);
  }

 private:
  uint32_t Below(size_t n) { return static_cast<uint32_t>(random_() % n); }
  uint16_t AnyDtype() { return static_cast<uint16_t>(TENON_BOOL + Below(TENON_F64)); }
  void Keep(ProgramBuilder::Value value, uint16_t dtype) { values_.emplace_back(value, dtype); }
  ProgramBuilder::Value Like(uint16_t dtype, ProgramBuilder::Value otherwise) {
    for (int tries = 0; tries < 8; ++tries) {
      const auto& [value, its] = values_[Below(values_.size())];
      if (its == dtype) return value;
    }
    return otherwise;
  }

  void Step() {
    const auto [a, dtype] = values_[Below(values_.size())];
    const auto op = static_cast<uint16_t>(1 + Below(TENON_OPCODE_COUNT - 1));
    // Signs and payloads of NaNs are nobody's promise: nothing here may look at them.
    if (HasNoOperands(op) || !tenon_opcode_defined(op, dtype) || !IsExact(op, dtype) ||
        op == TENON_OP_BITCAST || op == TENON_OP_COPYSIGN) {
      return;
    }
    if (op == TENON_OP_CAST) {
      const uint16_t to = AnyDtype();
      return Keep(p_->Op(op, to, a), to);
    }
    const ProgramBuilder::Value b = Like(dtype, a), c = Like(dtype, b);
    if (op == TENON_OP_SELECT) {
      const auto condition = p_->Op(TENON_OP_NE, TENON_BOOL, a, b);
      Keep(condition, TENON_BOOL);
      return Keep(p_->Op(op, dtype, condition, b, c), dtype);
    }
    const uint16_t result = ResultDtype(op, dtype);
    Keep(p_->Op(op, result, a, b, c), result);
  }

  std::minstd_rand random_;  // the same numbers everywhere
  std::unique_ptr<ProgramBuilder> p_;
  std::vector<std::pair<ProgramBuilder::Value, uint16_t>> values_;
};

// One reducer on one dtype, with a prologue, an epilogue, and the index.
void AddReducer(std::vector<Sample>& samples, uint16_t kind, uint16_t dtype, uint16_t acc,
                const std::string& name) {
  Sample s;
  s.name = name + "_" + tenon_dtype_name(dtype) + "_" + tenon_dtype_name(acc);
  s.program = std::make_unique<ProgramBuilder>();
  s.epilogue = std::make_unique<ProgramBuilder>();
  const auto x = s.program->Input(dtype);
  const auto value = dtype == TENON_BOOL ? s.program->Op(TENON_OP_NOT, dtype, x)
                                         : s.program->Op(TENON_OP_NEG, dtype, x);
  const auto key = s.program->Op(TENON_OP_INDEX, TENON_I64);
  for (int i = 0; i < (kind == TENON_MOMENTS ? 3 : 1); ++i)
    s.epilogue->Output(s.epilogue->Input(acc));
  s.epilogue->Output(s.epilogue->Op(TENON_OP_INDEX, TENON_I64));
  s.text = std::make_unique<KernelText>(
      *s.program, std::vector<TenonReducer>{{kind, acc, value, key, 0}}, *s.epilogue);
  const bool chooses = kind >= TENON_MIN && kind <= TENON_ARGMAX;
  s.exact = chooses || !tenon_dtype_is_float(acc);
  s.specials = chooses;
  samples.push_back(std::move(s));
}

}  // namespace

std::vector<Sample> MakeSamples(unsigned random_programs) {
  std::vector<Sample> samples;
  for (uint16_t dtype = TENON_BOOL; dtype <= TENON_F64; ++dtype) {
    AddOpcodes(samples, dtype, true);
    AddOpcodes(samples, dtype, false);
  }
  for (uint16_t dtype = TENON_BOOL; dtype <= TENON_F64; ++dtype) {
    AddReducer(samples, TENON_MIN, dtype, dtype, "min");
    AddReducer(samples, TENON_MAX, dtype, dtype, "max");
    AddReducer(samples, TENON_ARGMIN, dtype, TENON_I64, "argmin");
    AddReducer(samples, TENON_ARGMAX, dtype, TENON_I64, "argmax");
    AddReducer(samples, TENON_ANY, dtype, TENON_BOOL, "any");
    AddReducer(samples, TENON_ALL, dtype, TENON_BOOL, "all");
    if (dtype == TENON_BOOL) {
      AddReducer(samples, TENON_SUM, dtype, TENON_I64, "sum");
      continue;
    }
    AddReducer(samples, TENON_SUM, dtype, dtype, "sum");
    AddReducer(samples, TENON_PROD, dtype, dtype, "prod");
    if (tenon_dtype_is_float(dtype)) AddReducer(samples, TENON_MOMENTS, dtype, dtype, "moments");
  }
  AddReducer(samples, TENON_SUM, TENON_F16, TENON_F32, "sum");
  AddReducer(samples, TENON_SUM, TENON_I32, TENON_I64, "sum");
  for (unsigned i = 0; i < random_programs; ++i) {
    Finish(samples, "random" + std::to_string(i), RandomProgram(1000 + i).Make(), true);
  }
  return samples;
}
