/* tenon_kit_program.h -- may a kernel description be run at all? And a copy of it that outlives the
 * call.
 *
 * tenon_check_kernel refuses what no backend could run: INVALID_ARGUMENT for a malformed program,
 * UNSUPPORTED for opcodes, dtypes, flags or fields of a later version. A backend adds its own
 * limits. C99 and C++17. */
#ifndef TENON_KIT_PROGRAM_H_
#define TENON_KIT_PROGRAM_H_

#include <stdlib.h>

#include "tenon/abi/tenon_plugin_kit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { /* so that the interpreter's working memory fits on the stack */
       TENON_KIT_MAX_INSTRS = 512,
       TENON_KIT_MAX_OPERANDS = 64,
       TENON_KIT_MAX_SCALARS = 64,
       TENON_KIT_MAX_REDUCERS = 16
};

/* ---- checks ------------------------------------------------------------------------------------
 */

/* The dtype of instruction `t`'s first operand of the opcode's own kind. */
static inline uint32_t tenon_instr_operand_dtype(const TenonProgram* program, const TenonInstr* t) {
  if (t->op == TENON_OP_SELECT || tenon_opcode_operands(t->op) == 0) return t->dtype;
  return program->instr[t->a].dtype;
}

static inline TenonStatus tenon_check_instr(const TenonProgram* program, uint32_t i,
                                            TenonError* error) {
  const TenonInstr* t = &program->instr[i];
  const int operands = tenon_opcode_operands(t->op);
  const char* op = tenon_opcode_name(t->op);
  uint32_t from, expected;
  if (operands < 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "instruction %u: unknown opcode %u", i, t->op);
  if (t->flags != 0 || t->reserved != 0) {
    return tenon_fail(error, TENON_UNSUPPORTED, "instruction %u, %s: unknown flags %x, reserved %x",
                      i, op, t->flags, t->reserved);
  }
  if ((operands > 0 && t->a >= i) || (operands > 1 && t->b >= i) || (operands > 2 && t->c >= i)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "instruction %u, %s: operands %u %u %u are not all earlier values", i, op,
                      t->a, t->b, t->c);
  }
  from = tenon_instr_operand_dtype(program, t);
  if (!tenon_opcode_defined(t->op, from)) {
    const int computable =
        from >= TENON_BOOL && from <= TENON_F64; /* else only stored, or of a later version */
    return tenon_fail(error, computable ? TENON_INVALID_ARGUMENT : TENON_UNSUPPORTED,
                      "instruction %u, %s: not defined for %s (%u)", i, op, tenon_dtype_name(from),
                      from);
  }
  switch (t->op) {
    case TENON_OP_CAST:
    case TENON_OP_BITCAST:
      expected = tenon_opcode_defined(t->op, t->dtype) ? t->dtype : 0;
      if (t->op == TENON_OP_BITCAST && tenon_dtype_size(t->dtype) != tenon_dtype_size(from))
        expected = 0;
      break;
    case TENON_OP_PHILOX:
      expected = TENON_U32;
      break;
    case TENON_OP_EQ:
    case TENON_OP_NE:
    case TENON_OP_LT:
    case TENON_OP_LE:
      expected = TENON_BOOL;
      break;
    default:
      expected = from;
      break;
  }
  if (t->dtype != expected) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "instruction %u, %s of %s cannot give %s (%u)",
                      i, op, tenon_dtype_name(from), tenon_dtype_name(t->dtype), t->dtype);
  }
  if (t->op == TENON_OP_SELECT
          ? program->instr[t->a].dtype != TENON_BOOL || program->instr[t->b].dtype != from ||
                program->instr[t->c].dtype != from
          : (operands > 1 && program->instr[t->b].dtype != from) ||
                (operands > 2 && program->instr[t->c].dtype != from)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "instruction %u, %s: dtypes of the operands do not agree", i, op);
  }
  if ((t->op == TENON_OP_INPUT && t->imm >= program->n_inputs) ||
      (t->op == TENON_OP_SCALAR && t->imm >= program->n_scalars)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "instruction %u, %s: number %llu of %u", i, op,
                      (unsigned long long)t->imm,
                      t->op == TENON_OP_INPUT ? program->n_inputs : program->n_scalars);
  }
  return TENON_OK;
}

/* The dtype that the program reads input `number` as; 0 if it does not read it. */
static inline uint32_t tenon_program_input_dtype(const TenonProgram* program, uint64_t number) {
  uint32_t i;
  for (i = 0; i < program->n_instr; ++i) {
    if (program->instr[i].op == TENON_OP_INPUT && program->instr[i].imm == number)
      return program->instr[i].dtype;
  }
  return 0;
}

static inline TenonStatus tenon_check_program(const TenonProgram* given, TenonError* error) {
  TenonProgram program;
  uint32_t i;
  TenonStatus status = tenon_read_struct(&program, sizeof program, given, "TenonProgram", error);
  if (status != TENON_OK) return status;
  if (given->size <
      sizeof program) { /* no version had a shorter one: below, fields are read in place */
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "TenonProgram has size %u", given->size);
  }
  if (program.flags != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "TenonProgram: unknown flags %x", program.flags);
  if (program.n_instr > TENON_KIT_MAX_INSTRS || program.n_inputs > TENON_KIT_MAX_OPERANDS ||
      program.n_outputs > TENON_KIT_MAX_OPERANDS ||
      program.n_inputs + program.n_outputs > TENON_KIT_MAX_OPERANDS ||
      program.n_scalars > TENON_KIT_MAX_SCALARS) {
    return tenon_fail(
        error, TENON_UNSUPPORTED,
        "a program of %u instructions, %u inputs, %u outputs, %u scalars is too large",
        program.n_instr, program.n_inputs, program.n_outputs, program.n_scalars);
  }
  if ((program.n_instr != 0 && program.instr == NULL) ||
      (program.n_outputs != 0 && program.outputs == NULL)) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "TenonProgram: an array is NULL");
  }
  for (i = 0; i < program.n_instr; ++i) {
    status = tenon_check_instr(&program, i, error);
    if (status != TENON_OK) return status;
    if (program.instr[i].op == TENON_OP_INPUT &&
        tenon_program_input_dtype(&program, program.instr[i].imm) != program.instr[i].dtype) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT,
                        "instruction %u reads input %u as another dtype than before", i,
                        (unsigned)program.instr[i].imm);
    }
  }
  for (i = 0; i < program.n_outputs; ++i) {
    if (program.outputs[i] >= program.n_instr) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "output %u is value %u of %u", i,
                        program.outputs[i], program.n_instr);
    }
  }
  return TENON_OK;
}

/* How many accumulators a reducer has. */
static inline uint32_t tenon_reducer_accumulators(const TenonReducer* r) {
  return r->kind == TENON_MOMENTS ? 3 : 1;
}

/* The value is cast to acc_dtype before it is accumulated, except by ARGMIN and ARGMAX, which
 * compare it as it is. */
static inline TenonStatus tenon_check_reducer(const TenonProgram* program, const TenonReducer* r,
                                              TenonError* error) {
  const uint32_t acc = r->acc_dtype;
  int fits;
  if (r->kind < TENON_SUM || r->kind > TENON_MOMENTS || r->reserved != 0) {
    return tenon_fail(error, TENON_UNSUPPORTED, "unknown reducer %u", r->kind);
  }
  if (r->value >= program->n_instr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "reducer of value %u of %u", r->value,
                      program->n_instr);
  if (!tenon_opcode_defined(TENON_OP_SELECT, program->instr[r->value].dtype)) { /* only stored */
    return tenon_fail(error, TENON_UNSUPPORTED, "reducer %u of %s", r->kind,
                      tenon_dtype_name(program->instr[r->value].dtype));
  }
  switch (r->kind) {
    case TENON_SUM:
    case TENON_PROD:
      fits = tenon_dtype_is_integer(acc) || tenon_dtype_is_float(acc);
      break;
    case TENON_MIN:
    case TENON_MAX:
      fits = acc == program->instr[r->value].dtype;
      break;
    case TENON_ANY:
    case TENON_ALL:
      fits = acc == TENON_BOOL;
      break;
    case TENON_MOMENTS:
      fits = tenon_dtype_is_float(acc);
      break;
    default:
      fits = acc == TENON_I64 && r->key < program->n_instr &&
             program->instr[r->key].dtype == TENON_I64;
      break;
  }
  return fits ? TENON_OK
              : tenon_fail(error, TENON_INVALID_ARGUMENT,
                           "reducer %u of %s cannot accumulate in %s", r->kind,
                           tenon_dtype_name(program->instr[r->value].dtype), tenon_dtype_name(acc));
}

static inline TenonStatus tenon_check_kernel(const TenonKernelDesc* given, TenonError* error) {
  TenonKernelDesc desc;
  uint32_t i, j, accumulators = 0;
  TenonStatus status = tenon_read_struct(&desc, sizeof desc, given, "TenonKernelDesc", error);
  if (status != TENON_OK) return status;
  if (given->size < sizeof desc)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "TenonKernelDesc has size %u", given->size);
  if (desc.flags != 0 || desc.reserved != 0)
    return tenon_fail(error, TENON_UNSUPPORTED, "TenonKernelDesc: unknown flags %x", desc.flags);
  status = tenon_check_program(desc.program, error);
  if (status != TENON_OK) return status;
  if (desc.n_reducers == 0) {
    if (desc.program->n_outputs == 0 || desc.epilogue != NULL) {
      return tenon_fail(error, TENON_INVALID_ARGUMENT, "a map kernel has outputs and no epilogue");
    }
    return TENON_OK;
  }
  if (desc.n_reducers > TENON_KIT_MAX_REDUCERS)
    return tenon_fail(error, TENON_UNSUPPORTED, "%u reducers are too many", desc.n_reducers);
  if (desc.reducers == NULL || desc.epilogue == NULL || desc.program->n_outputs != 0) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "a reduce kernel has reducers and an epilogue, and its program no outputs");
  }
  status = tenon_check_program(desc.epilogue, error);
  for (i = 0; i < desc.n_reducers && status == TENON_OK; ++i) {
    const TenonReducer* r = &desc.reducers[i];
    status = tenon_check_reducer(desc.program, r, error);
    for (j = 0; j < tenon_reducer_accumulators(r); ++j, ++accumulators) {
      const uint32_t read_as = tenon_program_input_dtype(desc.epilogue, accumulators);
      if (status == TENON_OK && read_as != 0 && read_as != r->acc_dtype) {
        status = tenon_fail(error, TENON_INVALID_ARGUMENT,
                            "the epilogue reads accumulator %u, a %s, as %s", accumulators,
                            tenon_dtype_name(r->acc_dtype), tenon_dtype_name(read_as));
      }
    }
  }
  if (status != TENON_OK) return status;
  if (desc.epilogue->n_inputs != accumulators || desc.epilogue->n_outputs == 0 ||
      desc.epilogue->n_outputs + desc.program->n_inputs > TENON_KIT_MAX_OPERANDS) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "the epilogue has %u inputs and %u outputs for %u accumulators",
                      desc.epilogue->n_inputs, desc.epilogue->n_outputs, accumulators);
  }
  return TENON_OK;
}

/* ---- a copy ------------------------------------------------------------------------------------
 */

static inline size_t tenon_program_bytes(const TenonProgram* p) {
  return p->n_instr * sizeof(TenonInstr) +
         (p->n_outputs + 1u) / 2 * 2 * sizeof(uint32_t); /* keeps 8-byte alignment */
}

/* Copies instructions and outputs of *from to `memory`, lets *to point there, returns what follows.
 */
static inline char* tenon_copy_program(TenonProgram* to, const TenonProgram* from, char* memory) {
  memset(to, 0, sizeof *to);
  memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
  to->size = sizeof *to;
  to->instr = (const TenonInstr*)(const void*)memory;
  if (from->n_instr != 0) memcpy(memory, from->instr, from->n_instr * sizeof(TenonInstr));
  memory += from->n_instr * sizeof(TenonInstr);
  to->outputs = (const uint32_t*)(const void*)memory;
  if (from->n_outputs != 0) memcpy(memory, from->outputs, from->n_outputs * sizeof(uint32_t));
  return memory + (from->n_outputs + 1u) / 2 * 2 * sizeof(uint32_t);
}

/* What remains of a kernel description after the call that brought it. One block, freed with
 * free(). */
typedef struct TenonKernelCopy {
  TenonProgram program, epilogue;
  TenonReducer* reducers;
  uint32_t n_reducers, reserved;
} TenonKernelCopy;

/* Of a description that tenon_check_kernel accepted. NULL: no memory. */
static inline TenonKernelCopy* tenon_copy_kernel(const TenonKernelDesc* desc) {
  const size_t bytes = sizeof(TenonKernelCopy) + tenon_program_bytes(desc->program) +
                       desc->n_reducers * sizeof(TenonReducer) +
                       (desc->n_reducers != 0 ? tenon_program_bytes(desc->epilogue) : 0);
  TenonKernelCopy* copy = (TenonKernelCopy*)calloc(1, bytes);
  char* memory = (char*)(copy + 1);
  if (copy == NULL) return NULL;
  memory = tenon_copy_program(&copy->program, desc->program, memory);
  copy->n_reducers = desc->n_reducers;
  if (desc->n_reducers != 0) {
    memory = tenon_copy_program(&copy->epilogue, desc->epilogue, memory);
    copy->reducers = (TenonReducer*)(void*)memory;
    memcpy(memory, desc->reducers, desc->n_reducers * sizeof(TenonReducer));
  }
  return copy;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* TENON_KIT_PROGRAM_H_ */
