/* tenon_kit_interpreter.h -- a compute level for any backend whose memory the host can reach:
 * kernels of all opcodes, dtypes and reducers, one element at a time. It is correct and slow, meant
 * for a first version of a backend, for the kernels that it has no better way for, and as
 * documentation of what a kernel means.
 *
 *   kernel_create:   return tenon_interpreter_create(desc, kernel, error);
 *   kernel_destroy:  tenon_interpreter_destroy(kernel);
 *   kernel_launch:   return tenon_interpreter_launch(kernel, launch, address_of_buffer, error);
 *
 * Synchronous; safe from any number of threads at once. C99 and C++17; link with -lm. */
#ifndef TENON_KIT_INTERPRETER_H_
#define TENON_KIT_INTERPRETER_H_

#include "tenon/abi/tenon_kit_evaluate.h"
#include "tenon/abi/tenon_kit_program.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline TenonStatus tenon_interpreter_create(const TenonKernelDesc* desc, TenonKernel* kernel,
                                                   TenonError* error) {
  const TenonStatus status = tenon_check_kernel(desc, error);
  TenonKernelCopy* copy;
  if (status != TENON_OK) return status;
  copy = tenon_copy_kernel(desc);
  if (copy == NULL)
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "no memory for a kernel of %u instructions",
                      desc->program->n_instr);
  *kernel = (TenonKernel)(uintptr_t)copy;
  return TENON_OK;
}

static inline void tenon_interpreter_destroy(TenonKernel kernel) { free((void*)(uintptr_t)kernel); }

/* ---- one element -------------------------------------------------------------------------------
 */

/* Computes all values of the program for one element; `inputs` are raw bits. */
static inline void tenon_run_program(const TenonProgram* program, const uint64_t* inputs,
                                     const uint64_t* scalars, int64_t index, uint64_t* values) {
  uint32_t i;
  for (i = 0; i < program->n_instr; ++i) {
    const TenonInstr* t = &program->instr[i];
    switch (t->op) {
      case TENON_OP_INPUT:
        values[i] = inputs[t->imm];
        break;
      case TENON_OP_SCALAR:
        values[i] = scalars[t->imm];
        break;
      case TENON_OP_CONST:
        values[i] = t->imm;
        break;
      case TENON_OP_INDEX:
        values[i] = (uint64_t)index;
        break;
      default: { /* absent operands name value 0, which exists by then */
        const int operands = tenon_opcode_operands(t->op);
        values[i] =
            tenon_evaluate(t, tenon_instr_operand_dtype(program, t), values[t->a],
                           operands > 1 ? values[t->b] : 0, operands > 2 ? values[t->c] : 0);
      }
    }
  }
}

/* ---- accumulators ------------------------------------------------------------------------------
 */

/* Float sums are kept in double and rounded to acc_dtype once at the end. */
typedef struct TenonAccumulator {
  uint64_t seen, bits, key;
  double sum, mean, deviation;
} TenonAccumulator;

static inline void tenon_accumulate(const TenonReducer* r, TenonAccumulator* acc, uint32_t dtype,
                                    uint64_t value, uint64_t key) {
  const int first = acc->seen++ == 0;
  TenonInstr t;
  memset(&t, 0, sizeof t);
  if (r->kind == TENON_ARGMIN || r->kind == TENON_ARGMAX) {
    const int floating = tenon_dtype_is_float(dtype);
    const double old_float = floating ? tenon_bits_to_double(dtype, acc->bits) : 0;
    const double new_float = floating ? tenon_bits_to_double(dtype, value) : 0;
    const int old_nan = old_float != old_float, new_nan = new_float != new_float;
    const uint64_t low = r->kind == TENON_ARGMIN ? value : acc->bits,
                   high = r->kind == TENON_ARGMIN ? acc->bits : value;
    int wins, ties;
    t.op = TENON_OP_LT;
    t.dtype = TENON_BOOL;
    wins = old_nan || new_nan ? new_nan && !old_nan : tenon_evaluate(&t, dtype, low, high, 0) != 0;
    t.op = TENON_OP_EQ;
    ties = old_nan || new_nan ? old_nan && new_nan : tenon_evaluate(&t, dtype, low, high, 0) != 0;
    if (first || wins || (ties && (int64_t)key < (int64_t)acc->key)) {
      acc->bits = value;
      acc->key = key;
    }
    return;
  }
  value = tenon_evaluate_cast(r->acc_dtype, dtype, value);
  if (tenon_dtype_is_float(r->acc_dtype) && r->kind != TENON_MIN && r->kind != TENON_MAX) {
    const double x = tenon_bits_to_double(r->acc_dtype, value);
    if (r->kind == TENON_PROD) {
      acc->sum = first ? x : acc->sum * x;
    } else if (r->kind == TENON_SUM) {
      acc->sum = first ? x : acc->sum + x;
    } else { /* Welford 1962 */
      const double step = x - acc->mean;
      acc->mean += step / (double)acc->seen;
      acc->deviation += step * (x - acc->mean);
    }
    return;
  }
  t.dtype = r->acc_dtype;
  switch (r->kind) {
    case TENON_SUM:
      t.op = TENON_OP_ADD;
      break;
    case TENON_PROD:
      t.op = TENON_OP_MUL;
      break;
    case TENON_MIN:
      t.op = TENON_OP_MIN;
      break;
    case TENON_MAX:
      t.op = TENON_OP_MAX;
      break;
    case TENON_ANY:
      t.op = TENON_OP_OR;
      break;
    default:
      t.op = TENON_OP_AND;
      break;
  }
  acc->bits = first ? value : tenon_evaluate(&t, r->acc_dtype, acc->bits, value, 0);
}

/* Writes the accumulators as inputs of the epilogue; returns what follows. */
static inline uint64_t* tenon_accumulated(const TenonReducer* r, const TenonAccumulator* acc,
                                          uint64_t* inputs) {
  if (r->kind == TENON_MOMENTS) {
    *inputs++ = tenon_double_to_bits(r->acc_dtype, (double)acc->seen);
    *inputs++ = tenon_double_to_bits(r->acc_dtype, acc->mean);
    *inputs++ = tenon_double_to_bits(r->acc_dtype, acc->deviation);
  } else if (r->kind == TENON_ARGMIN || r->kind == TENON_ARGMAX) {
    *inputs++ = acc->key;
  } else if (tenon_dtype_is_float(r->acc_dtype) &&
             (r->kind == TENON_SUM || r->kind == TENON_PROD)) {
    *inputs++ = tenon_double_to_bits(r->acc_dtype, acc->sum);
  } else {
    *inputs++ = acc->bits;
  }
  return inputs;
}

/* ---- a launch ----------------------------------------------------------------------------------
 */

/* What a backend may check before it runs or enqueues a launch of this kernel: counts, dtypes,
 * sizes. */
static inline TenonStatus tenon_check_launch(const TenonKernelCopy* kernel,
                                             const TenonLaunch* launch, TenonError* error) {
  const TenonProgram* last = kernel->n_reducers != 0 ? &kernel->epilogue : &kernel->program;
  const uint32_t n_inputs = kernel->program.n_inputs;
  const uint32_t n_scalars =
      kernel->program.n_scalars > last->n_scalars ? kernel->program.n_scalars : last->n_scalars;
  uint32_t i, d;
  if (launch->flags & ~(uint32_t)TENON_LAUNCH_MAY_ALIAS)
    return tenon_fail(error, TENON_UNSUPPORTED, "TenonLaunch: unknown flags %x", launch->flags);
  if (launch->rank > TENON_ABI_MAX_RANK || (launch->reduce_axes >> launch->rank) != 0 ||
      (launch->reduce_axes != 0 && kernel->n_reducers == 0)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "rank %u and reduced axes %x do not suit the kernel", launch->rank,
                      launch->reduce_axes);
  }
  if (launch->n_operands != n_inputs + last->n_outputs || launch->n_scalars < n_scalars ||
      launch->operands == NULL || (n_scalars != 0 && launch->scalars == NULL)) {
    return tenon_fail(
        error, TENON_INVALID_ARGUMENT,
        "launch of %u operands and %u scalars, the kernel has %u inputs, %u outputs, %u scalars",
        launch->n_operands, launch->n_scalars, n_inputs, last->n_outputs, n_scalars);
  }
  for (d = 0; d < launch->rank; ++d) {
    if (launch->sizes[d] <= 0)
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "size %lld of axis %u is not positive",
                        (long long)launch->sizes[d], d);
  }
  for (i = 0; i < launch->n_operands; ++i) {
    const TenonOperand* o = &launch->operands[i];
    const uint32_t dtype = i < n_inputs ? tenon_program_input_dtype(&kernel->program, i)
                                        : last->instr[last->outputs[i - n_inputs]].dtype;
    if (o->flags != 0)
      return tenon_fail(error, TENON_UNSUPPORTED, "operand %u: unknown flags %x", i, o->flags);
    if (o->buffer == 0 || (dtype != 0 && o->dtype != dtype)) {
      return tenon_fail(
          error, TENON_INVALID_ARGUMENT, "operand %u: buffer %llx of %s, the kernel expects %s", i,
          (unsigned long long)o->buffer, tenon_dtype_name(o->dtype), tenon_dtype_name(dtype));
    }
    for (d = 0; d < launch->rank && i >= n_inputs; ++d) {
      if ((launch->reduce_axes >> d & 1u) != 0 && o->strides[d] != 0) {
        return tenon_fail(error, TENON_INVALID_ARGUMENT,
                          "operand %u: stride %lld of the reduced axis %u of an output is not 0", i,
                          (long long)o->strides[d], d);
      }
    }
  }
  return TENON_OK;
}

/* Where a buffer's first byte lies in host memory. */
typedef void* (*TenonAddressFn)(TenonBuffer buffer);

static inline void tenon_interpreter_load(const TenonLaunch* launch, char* const* base,
                                          uint32_t n_inputs, const TenonPosition* at,
                                          uint64_t* inputs) {
  uint32_t i;
  for (i = 0; i < n_inputs; ++i) {
    const uint32_t item = tenon_dtype_size(launch->operands[i].dtype);
    inputs[i] = 0;
    memcpy(&inputs[i],
           base[i] + tenon_position_offset(at, launch->operands[i].strides) * (int64_t)item, item);
  }
}

/* `address` NULL: handles are addresses. */
static inline TenonStatus tenon_interpreter_launch(TenonKernel handle, const TenonLaunch* given,
                                                   TenonAddressFn address, TenonError* error) {
  const TenonKernelCopy* kernel = (const TenonKernelCopy*)(uintptr_t)handle;
  const TenonProgram* last = kernel->n_reducers != 0 ? &kernel->epilogue : &kernel->program;
  const uint32_t n_inputs = kernel->program.n_inputs;
  uint64_t values[TENON_KIT_MAX_INSTRS], inputs[TENON_KIT_MAX_OPERANDS],
      accumulated[3 * TENON_KIT_MAX_REDUCERS];
  TenonAccumulator accumulators[TENON_KIT_MAX_REDUCERS];
  char* base[TENON_KIT_MAX_OPERANDS];
  TenonLaunch launch;
  TenonPosition outer, inner;
  uint32_t i, d;
  TenonStatus status = tenon_read_struct(&launch, sizeof launch, given, "TenonLaunch", error);
  if (status == TENON_OK) status = tenon_check_launch(kernel, &launch, error);
  if (status != TENON_OK) return status;
  for (i = 0; i < launch.n_operands; ++i) {
    const TenonBuffer buffer = launch.operands[i].buffer;
    base[i] = (char*)(address != NULL ? address(buffer) : (void*)(uintptr_t)buffer) +
              launch.operands[i].offset;
  }
  outer = tenon_position_first(launch.rank, launch.sizes, ~launch.reduce_axes);
  do {
    const int64_t index = launch.index_base + tenon_position_offset(&outer, launch.index_strides);
    inner = tenon_position_first(launch.rank, launch.sizes, launch.reduce_axes);
    for (d = 0; d < launch.rank; ++d) inner.at[d] = outer.at[d]; /* reduced axes stand at 0 */
    if (kernel->n_reducers == 0) {
      tenon_interpreter_load(&launch, base, n_inputs, &inner, inputs);
      tenon_run_program(&kernel->program, inputs, launch.scalars, index, values);
    } else {
      uint64_t* end = accumulated;
      memset(accumulators, 0, sizeof accumulators);
      do {
        tenon_interpreter_load(&launch, base, n_inputs, &inner, inputs);
        tenon_run_program(&kernel->program, inputs, launch.scalars,
                          launch.index_base + tenon_position_offset(&inner, launch.index_strides),
                          values);
        for (i = 0; i < kernel->n_reducers; ++i) {
          const TenonReducer* r = &kernel->reducers[i];
          const int has_key = r->kind == TENON_ARGMIN || r->kind == TENON_ARGMAX;
          tenon_accumulate(r, &accumulators[i], kernel->program.instr[r->value].dtype,
                           values[r->value], has_key ? values[r->key] : 0);
        }
      } while (tenon_position_next(&inner));
      for (i = 0; i < kernel->n_reducers; ++i)
        end = tenon_accumulated(&kernel->reducers[i], &accumulators[i], end);
      tenon_run_program(&kernel->epilogue, accumulated, launch.scalars, index, values);
    }
    for (i = 0; i < last->n_outputs; ++i) {
      const TenonOperand* o = &launch.operands[n_inputs + i];
      const uint32_t item = tenon_dtype_size(o->dtype);
      memcpy(base[n_inputs + i] + tenon_position_offset(&outer, o->strides) * (int64_t)item,
             &values[last->outputs[i]], item);
    }
  } while (tenon_position_next(&outer));
  return TENON_OK;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_KIT_INTERPRETER_H_ */
