#include "tests/codegen/samples.h"

#include <utility>

#include "tenon/abi/tenon_plugin_kit.h"
#include "tests/codegen/random_samples.h"

namespace {

constexpr size_t kOutputsPerSample = 10;

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
      for (uint16_t to = TENON_BOOL; to < TENON_DTYPE_COUNT; ++to) {
        if (!tenon_opcode_defined(op, to)) continue;
        if (op == TENON_OP_BITCAST && tenon_dtype_size(to) != tenon_dtype_size(dtype)) continue;
        output([&] { return p->Op(op, to, a); });
      }
    } else {
      output([&] { return p->Op(op, ResultDtype(op, dtype), a, b, c); });
    }
  }
  if (exact) {
    if (tenon_opcode_defined(TENON_OP_SCALAR, dtype)) {
      output([&] { return p->Scalar(dtype); });
      output([&] { return p->Const(dtype, uint8_t{1}); });
    }
    if (dtype == TENON_I64) output([&] { return p->Op(TENON_OP_INDEX, dtype); });
  }
  flush();
}

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
  for (uint16_t dtype : {TENON_F8E4M3FN, TENON_F8E5M2}) AddOpcodes(samples, dtype, true);
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
  for (unsigned i = 0; i < random_programs; ++i) samples.push_back(RandomMap(1000 + i));
  for (unsigned i = 0; i < random_programs; ++i) samples.push_back(RandomReduction(1000 + i));
  return samples;
}
