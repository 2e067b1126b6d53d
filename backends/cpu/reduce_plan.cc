#include "backends/cpu/reduce_plan.h"

#include <algorithm>

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {

TenonStatus MakeReducePlan(const TenonKernelDesc& desc, Program* prologue, ReducePlan* plan,
                           TenonError* error) {
  if (desc.n_reducers > kMaxReducers)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: %u reducers; the limit is %u",
                      desc.n_reducers, kMaxReducers);
  if (desc.reducers == nullptr || desc.epilogue == nullptr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: a reduce kernel without reducers or epilogue");
  if (desc.program->n_outputs != 0)
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: the prologue of a reduction has outputs");
  std::vector<uint16_t> wanted;
  std::vector<uint8_t> accumulators;
  for (uint32_t r = 0; r < desc.n_reducers; ++r) {
    const TenonReducer& source = desc.reducers[r];
    const bool has_key = source.kind == TENON_ARGMIN || source.kind == TENON_ARGMAX;
    if (source.reserved != 0)
      return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields in reducer %u", r);
    if (source.value >= desc.program->n_instr || (has_key && source.key >= desc.program->n_instr)) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT,
                        "cpu: reducer %u names value %u, key %u of %u", r, source.value, source.key,
                        desc.program->n_instr);
    }
    const uint32_t dtype = desc.program->instr[source.value].dtype;
    Reducer reducer{};
    reducer.kind = source.kind;
    reducer.value = source.value;
    reducer.key = source.key;
    reducer.has_key = has_key;
    reducer.acc_dtype = static_cast<uint8_t>(source.acc_dtype);
    if (source.acc_dtype >= TENON_C64 || !tenon_opcode_defined(TENON_OP_SELECT, dtype) ||
        !FindReducer(source.kind, dtype, source.acc_dtype, &reducer.fns)) {
      return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no reducer %u of %s into %s", source.kind,
                        tenon_dtype_name(dtype), tenon_dtype_name(source.acc_dtype));
    }
    reducer.load_item = static_cast<uint8_t>(tenon_dtype_size(reducer.fns.load));
    reducer.cast = reducer.fns.load == dtype ? nullptr : FindCast(dtype, reducer.fns.load);
    reducer.finish = FindCast(reducer.fns.result, source.acc_dtype);
    wanted.push_back(source.value);
    if (has_key) {
      const TenonInstr& key = desc.program->instr[source.key];
      if (key.dtype != TENON_I64)
        return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: the key of reducer %u is not i64",
                          r);
      reducer.key_is_index = key.op == TENON_OP_INDEX;
      if (!reducer.key_is_index) wanted.push_back(source.key);
    }
    accumulators.insert(accumulators.end(), source.kind == TENON_MOMENTS ? 3 : 1,
                        reducer.acc_dtype);
    plan->reducers.push_back(reducer);
  }
  plan->n_accumulators = static_cast<uint32_t>(accumulators.size());
  if (const TenonStatus status = CompileProgram(
          *desc.program, wanted.data(), static_cast<uint32_t>(wanted.size()), prologue, error);
      status != TENON_OK)
    return status;
  // An index that serves as a key only is not filled in block by block.
  std::erase_if(prologue->indices, [&](uint16_t index) {
    const bool read =
        std::any_of(prologue->steps.begin(), prologue->steps.end(),
                    [&](const Step& s) { return s.a == index || s.b == index || s.c == index; });
    return !read && std::find(wanted.begin(), wanted.end(), index) == wanted.end();
  });
  if (desc.epilogue->n_inputs != plan->n_accumulators) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: %u accumulators for an epilogue of %u inputs", plan->n_accumulators,
                      desc.epilogue->n_inputs);
  }
  if (const TenonStatus status = CompileProgram(*desc.epilogue, nullptr, 0, &plan->epilogue, error);
      status != TENON_OK)
    return status;
  const Program& epilogue = plan->epilogue;
  if (!epilogue.indices.empty())
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: INDEX in an epilogue");
  for (uint16_t v : epilogue.inputs) {
    if (epilogue.values[v].dtype != accumulators[epilogue.values[v].slot]) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT,
                        "cpu: the epilogue reads accumulator %u as %s", epilogue.values[v].slot,
                        tenon_dtype_name(epilogue.values[v].dtype));
    }
  }
  plan->plain = std::all_of(epilogue.outputs.begin(), epilogue.outputs.end(),
                            [&](uint16_t v) { return epilogue.values[v].kind == Kind::kInput; });
  return TENON_OK;
}

}  // namespace tenon_cpu
