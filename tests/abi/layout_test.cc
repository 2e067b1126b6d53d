// Pins the layout of every struct and the number of every enumerator of the ABI: nothing here but
// static_asserts. A failure means that a plug-in compiled yesterday would misread memory. Fields
// and enumerators may be appended (with a new minor version); a line of this file may not change.
#include <cstddef>
#include <cstdint>

#include "tenon/abi/tenon_backend.h"

#define SIZE(type, bytes) static_assert(sizeof(type) == bytes, #type)
#define OFFSET(type, field, bytes) static_assert(offsetof(type, field) == bytes, #type "." #field)
#define NUMBER(name, number) static_assert(name == number, #name)

static_assert(sizeof(void*) == 8 && sizeof(TenonStatus) == 4, "64-bit");

SIZE(TenonError, 512);
OFFSET(TenonError, size, 0);
OFFSET(TenonError, code, 4);
OFFSET(TenonError, message, 8);

SIZE(TenonInstr, 24);
OFFSET(TenonInstr, op, 0);
OFFSET(TenonInstr, dtype, 2);
OFFSET(TenonInstr, a, 4);
OFFSET(TenonInstr, b, 6);
OFFSET(TenonInstr, c, 8);
OFFSET(TenonInstr, flags, 10);
OFFSET(TenonInstr, reserved, 12);
OFFSET(TenonInstr, imm, 16);

SIZE(TenonProgram, 48);
OFFSET(TenonProgram, size, 0);
OFFSET(TenonProgram, flags, 4);
OFFSET(TenonProgram, n_instr, 8);
OFFSET(TenonProgram, n_inputs, 12);
OFFSET(TenonProgram, n_outputs, 16);
OFFSET(TenonProgram, n_scalars, 20);
OFFSET(TenonProgram, instr, 24);
OFFSET(TenonProgram, outputs, 32);
OFFSET(TenonProgram, content_hash, 40);

SIZE(TenonReducer, 16);
OFFSET(TenonReducer, kind, 0);
OFFSET(TenonReducer, acc_dtype, 2);
OFFSET(TenonReducer, value, 4);
OFFSET(TenonReducer, key, 6);
OFFSET(TenonReducer, reserved, 8);

SIZE(TenonKernelDesc, 40);
OFFSET(TenonKernelDesc, size, 0);
OFFSET(TenonKernelDesc, flags, 4);
OFFSET(TenonKernelDesc, program, 8);
OFFSET(TenonKernelDesc, epilogue, 16);
OFFSET(TenonKernelDesc, reducers, 24);
OFFSET(TenonKernelDesc, n_reducers, 32);
OFFSET(TenonKernelDesc, reserved, 36);

SIZE(TenonOperand, 88);
OFFSET(TenonOperand, buffer, 0);
OFFSET(TenonOperand, offset, 8);
OFFSET(TenonOperand, dtype, 16);
OFFSET(TenonOperand, flags, 20);
OFFSET(TenonOperand, strides, 24);

SIZE(TenonLaunch, 176);
OFFSET(TenonLaunch, size, 0);
OFFSET(TenonLaunch, flags, 4);
OFFSET(TenonLaunch, rank, 8);
OFFSET(TenonLaunch, reduce_axes, 12);
OFFSET(TenonLaunch, n_operands, 16);
OFFSET(TenonLaunch, n_scalars, 20);
OFFSET(TenonLaunch, operands, 24);
OFFSET(TenonLaunch, scalars, 32);
OFFSET(TenonLaunch, sizes, 40);
OFFSET(TenonLaunch, index_base, 104);
OFFSET(TenonLaunch, index_strides, 112);

SIZE(TenonTensor, 160);
OFFSET(TenonTensor, buffer, 0);
OFFSET(TenonTensor, offset, 8);
OFFSET(TenonTensor, dtype, 16);
OFFSET(TenonTensor, rank, 20);
OFFSET(TenonTensor, sizes, 24);
OFFSET(TenonTensor, strides, 88);
OFFSET(TenonTensor, reserved, 152);

SIZE(TenonCall, 32);
OFFSET(TenonCall, size, 0);
OFFSET(TenonCall, flags, 4);
OFFSET(TenonCall, workspace, 8);
OFFSET(TenonCall, workspace_offset, 16);
OFFSET(TenonCall, workspace_bytes, 24);

SIZE(TenonMatmulArgs, 672);
OFFSET(TenonMatmulArgs, size, 0);
OFFSET(TenonMatmulArgs, flags, 4);
OFFSET(TenonMatmulArgs, a, 8);
OFFSET(TenonMatmulArgs, b, 168);
OFFSET(TenonMatmulArgs, c, 328);
OFFSET(TenonMatmulArgs, bias, 488);
OFFSET(TenonMatmulArgs, epilogue, 648);
OFFSET(TenonMatmulArgs, reserved, 652);
OFFSET(TenonMatmulArgs, alpha, 656);
OFFSET(TenonMatmulArgs, beta, 664);

SIZE(TenonIndexArgs, 520);
OFFSET(TenonIndexArgs, size, 0);
OFFSET(TenonIndexArgs, flags, 4);
OFFSET(TenonIndexArgs, src, 8);
OFFSET(TenonIndexArgs, index, 168);
OFFSET(TenonIndexArgs, dst, 328);
OFFSET(TenonIndexArgs, axis, 488);
OFFSET(TenonIndexArgs, mode, 492);
OFFSET(TenonIndexArgs, combine, 496);
OFFSET(TenonIndexArgs, reserved, 500);
OFFSET(TenonIndexArgs, out_of_range, 504);
OFFSET(TenonIndexArgs, out_of_range_offset, 512);

SIZE(TenonSoftmaxArgs, 336);
OFFSET(TenonSoftmaxArgs, size, 0);
OFFSET(TenonSoftmaxArgs, flags, 4);
OFFSET(TenonSoftmaxArgs, x, 8);
OFFSET(TenonSoftmaxArgs, y, 168);
OFFSET(TenonSoftmaxArgs, log, 328);
OFFSET(TenonSoftmaxArgs, reserved, 332);

SIZE(TenonSoftmaxBackwardArgs, 496);
OFFSET(TenonSoftmaxBackwardArgs, size, 0);
OFFSET(TenonSoftmaxBackwardArgs, flags, 4);
OFFSET(TenonSoftmaxBackwardArgs, y, 8);
OFFSET(TenonSoftmaxBackwardArgs, g, 168);
OFFSET(TenonSoftmaxBackwardArgs, dx, 328);
OFFSET(TenonSoftmaxBackwardArgs, log, 488);
OFFSET(TenonSoftmaxBackwardArgs, reserved, 492);

SIZE(TenonCrossEntropyArgs, 808);
OFFSET(TenonCrossEntropyArgs, size, 0);
OFFSET(TenonCrossEntropyArgs, flags, 4);
OFFSET(TenonCrossEntropyArgs, x, 8);
OFFSET(TenonCrossEntropyArgs, target, 168);
OFFSET(TenonCrossEntropyArgs, loss, 328);
OFFSET(TenonCrossEntropyArgs, shift, 488);
OFFSET(TenonCrossEntropyArgs, exp_sum, 648);

SIZE(TenonLayerNormArgs, 976);
OFFSET(TenonLayerNormArgs, size, 0);
OFFSET(TenonLayerNormArgs, flags, 4);
OFFSET(TenonLayerNormArgs, x, 8);
OFFSET(TenonLayerNormArgs, weight, 168);
OFFSET(TenonLayerNormArgs, bias, 328);
OFFSET(TenonLayerNormArgs, y, 488);
OFFSET(TenonLayerNormArgs, mean, 648);
OFFSET(TenonLayerNormArgs, rstd, 808);
OFFSET(TenonLayerNormArgs, eps, 968);

SIZE(TenonLayerNormBackwardArgs, 968);
OFFSET(TenonLayerNormBackwardArgs, size, 0);
OFFSET(TenonLayerNormBackwardArgs, flags, 4);
OFFSET(TenonLayerNormBackwardArgs, x, 8);
OFFSET(TenonLayerNormBackwardArgs, weight, 168);
OFFSET(TenonLayerNormBackwardArgs, mean, 328);
OFFSET(TenonLayerNormBackwardArgs, rstd, 488);
OFFSET(TenonLayerNormBackwardArgs, g, 648);
OFFSET(TenonLayerNormBackwardArgs, dx, 808);

SIZE(TenonDeviceProps, 264);
OFFSET(TenonDeviceProps, size, 0);
OFFSET(TenonDeviceProps, flags, 4);
OFFSET(TenonDeviceProps, total_bytes, 8);
OFFSET(TenonDeviceProps, min_alignment, 16);
OFFSET(TenonDeviceProps, max_operands, 20);
OFFSET(TenonDeviceProps, max_instrs, 24);
OFFSET(TenonDeviceProps, max_scalars, 28);
OFFSET(TenonDeviceProps, storage_dtypes, 32);
OFFSET(TenonDeviceProps, compute_dtypes, 40);
OFFSET(TenonDeviceProps, opcodes, 48);
OFFSET(TenonDeviceProps, dlpack_type, 80);
OFFSET(TenonDeviceProps, dlpack_id, 84);
OFFSET(TenonDeviceProps, name, 88);
OFFSET(TenonDeviceProps, uuid, 216);

SIZE(TenonHost, 72);
OFFSET(TenonHost, size, 0);
OFFSET(TenonHost, abi_major, 4);
OFFSET(TenonHost, abi_minor, 8);
OFFSET(TenonHost, flags, 12);
OFFSET(TenonHost, ctx, 16);
OFFSET(TenonHost, log, 24);
OFFSET(TenonHost, host_alloc, 32);
OFFSET(TenonHost, host_free, 40);
OFFSET(TenonHost, parallel_for, 48);
OFFSET(TenonHost, num_threads, 56);
OFFSET(TenonHost, option, 64);

SIZE(TenonCoreOps, 104);
OFFSET(TenonCoreOps, size, 0);
OFFSET(TenonCoreOps, reserved, 4);
OFFSET(TenonCoreOps, device_count, 8);
OFFSET(TenonCoreOps, device_props, 16);
OFFSET(TenonCoreOps, device_open, 24);
OFFSET(TenonCoreOps, device_close, 32);
OFFSET(TenonCoreOps, mem_alloc, 40);
OFFSET(TenonCoreOps, mem_free, 48);
OFFSET(TenonCoreOps, copy_h2d, 56);
OFFSET(TenonCoreOps, copy_d2h, 64);
OFFSET(TenonCoreOps, copy_d2d, 72);
OFFSET(TenonCoreOps, kernel_create, 80);
OFFSET(TenonCoreOps, kernel_destroy, 88);
OFFSET(TenonCoreOps, kernel_launch, 96);

SIZE(TenonStreamOps, 104);
OFFSET(TenonStreamOps, size, 0);
OFFSET(TenonStreamOps, reserved, 4);
OFFSET(TenonStreamOps, stream_create, 8);
OFFSET(TenonStreamOps, stream_destroy, 16);
OFFSET(TenonStreamOps, stream_sync, 24);
OFFSET(TenonStreamOps, stream_query, 32);
OFFSET(TenonStreamOps, event_create, 40);
OFFSET(TenonStreamOps, event_destroy, 48);
OFFSET(TenonStreamOps, event_record, 56);
OFFSET(TenonStreamOps, event_wait, 64);
OFFSET(TenonStreamOps, event_sync, 72);
OFFSET(TenonStreamOps, event_query, 80);
OFFSET(TenonStreamOps, stream_import, 88);
OFFSET(TenonStreamOps, stream_native, 96);

SIZE(TenonMemOps, 56);
OFFSET(TenonMemOps, size, 0);
OFFSET(TenonMemOps, reserved, 4);
OFFSET(TenonMemOps, mem_info, 8);
OFFSET(TenonMemOps, pinned_alloc, 16);
OFFSET(TenonMemOps, pinned_free, 24);
OFFSET(TenonMemOps, copy_peer, 32);
OFFSET(TenonMemOps, mem_import, 40);
OFFSET(TenonMemOps, mem_export, 48);

SIZE(TenonTensorOps, 32);
OFFSET(TenonTensorOps, size, 0);
OFFSET(TenonTensorOps, reserved, 4);
OFFSET(TenonTensorOps, matmul, 8);
OFFSET(TenonTensorOps, gather, 16);
OFFSET(TenonTensorOps, scatter, 24);

SIZE(TenonFusedOps, 56);
OFFSET(TenonFusedOps, size, 0);
OFFSET(TenonFusedOps, reserved, 4);
OFFSET(TenonFusedOps, launch_list, 8);
OFFSET(TenonFusedOps, softmax, 16);
OFFSET(TenonFusedOps, softmax_backward, 24);
OFFSET(TenonFusedOps, cross_entropy, 32);
OFFSET(TenonFusedOps, layer_norm, 40);
OFFSET(TenonFusedOps, layer_norm_backward, 48);

SIZE(TenonBackend, 96);
OFFSET(TenonBackend, size, 0);
OFFSET(TenonBackend, abi_major, 4);
OFFSET(TenonBackend, abi_minor, 8);
OFFSET(TenonBackend, flags, 12);
OFFSET(TenonBackend, name, 16);
OFFSET(TenonBackend, vendor, 24);
OFFSET(TenonBackend, version, 32);
OFFSET(TenonBackend, core, 40);
OFFSET(TenonBackend, streams, 48);
OFFSET(TenonBackend, memory, 56);
OFFSET(TenonBackend, tensor, 64);
OFFSET(TenonBackend, fused, 72);
OFFSET(TenonBackend, query_extension, 80);
OFFSET(TenonBackend, shutdown, 88);

SIZE(TenonTestOps, 40);
OFFSET(TenonTestOps, size, 0);
OFFSET(TenonTestOps, reserved, 4);
OFFSET(TenonTestOps, fail_alloc_after, 8);
OFFSET(TenonTestOps, fail_launch_after, 16);
OFFSET(TenonTestOps, set_memory_limit, 24);
OFFSET(TenonTestOps, counters, 32);

NUMBER(TENON_ABI_MAJOR, 0);
NUMBER(TENON_ABI_MINOR, 3);
NUMBER(TENON_ABI_MAX_RANK, 8);

NUMBER(TENON_OK, 0);
NUMBER(TENON_UNSUPPORTED, 1);
NUMBER(TENON_INVALID_ARGUMENT, 2);
NUMBER(TENON_OUT_OF_MEMORY, 3);
NUMBER(TENON_DEVICE_LOST, 4);
NUMBER(TENON_INTERNAL, 5);
NUMBER(TENON_NOT_READY, 6);
NUMBER(TENON_FAILED_PRECONDITION, 7);
NUMBER(TENON_INCOMPATIBLE, 8);

NUMBER(TENON_BOOL, 1);
NUMBER(TENON_U8, 2);
NUMBER(TENON_I8, 3);
NUMBER(TENON_U16, 4);
NUMBER(TENON_I16, 5);
NUMBER(TENON_U32, 6);
NUMBER(TENON_I32, 7);
NUMBER(TENON_U64, 8);
NUMBER(TENON_I64, 9);
NUMBER(TENON_F16, 10);
NUMBER(TENON_BF16, 11);
NUMBER(TENON_F32, 12);
NUMBER(TENON_F64, 13);
NUMBER(TENON_C64, 14);
NUMBER(TENON_C128, 15);
NUMBER(TENON_F8E4M3FN, 16);
NUMBER(TENON_F8E5M2, 17);

NUMBER(TENON_OP_INPUT, 1);
NUMBER(TENON_OP_SCALAR, 2);
NUMBER(TENON_OP_CONST, 3);
NUMBER(TENON_OP_INDEX, 4);
NUMBER(TENON_OP_CAST, 5);
NUMBER(TENON_OP_BITCAST, 6);
NUMBER(TENON_OP_ADD, 7);
NUMBER(TENON_OP_SUB, 8);
NUMBER(TENON_OP_MUL, 9);
NUMBER(TENON_OP_DIV, 10);
NUMBER(TENON_OP_REM, 11);
NUMBER(TENON_OP_MIN, 12);
NUMBER(TENON_OP_MAX, 13);
NUMBER(TENON_OP_NEG, 14);
NUMBER(TENON_OP_ABS, 15);
NUMBER(TENON_OP_AND, 16);
NUMBER(TENON_OP_OR, 17);
NUMBER(TENON_OP_XOR, 18);
NUMBER(TENON_OP_NOT, 19);
NUMBER(TENON_OP_SHL, 20);
NUMBER(TENON_OP_SHR, 21);
NUMBER(TENON_OP_EQ, 22);
NUMBER(TENON_OP_NE, 23);
NUMBER(TENON_OP_LT, 24);
NUMBER(TENON_OP_LE, 25);
NUMBER(TENON_OP_SELECT, 26);
NUMBER(TENON_OP_FLOOR, 27);
NUMBER(TENON_OP_CEIL, 28);
NUMBER(TENON_OP_TRUNC, 29);
NUMBER(TENON_OP_RINT, 30);
NUMBER(TENON_OP_SQRT, 31);
NUMBER(TENON_OP_EXP, 32);
NUMBER(TENON_OP_LOG, 33);
NUMBER(TENON_OP_SIN, 34);
NUMBER(TENON_OP_COS, 35);
NUMBER(TENON_OP_TANH, 36);
NUMBER(TENON_OP_ERF, 37);
NUMBER(TENON_OP_POW, 38);
NUMBER(TENON_OP_FMA, 39);
NUMBER(TENON_OP_PHILOX, 40);
NUMBER(TENON_OP_RSQRT, 41);
NUMBER(TENON_OP_RECIP, 42);
NUMBER(TENON_OP_EXP2, 43);
NUMBER(TENON_OP_EXPM1, 44);
NUMBER(TENON_OP_LOG2, 45);
NUMBER(TENON_OP_LOG10, 46);
NUMBER(TENON_OP_LOG1P, 47);
NUMBER(TENON_OP_TAN, 48);
NUMBER(TENON_OP_ASIN, 49);
NUMBER(TENON_OP_ACOS, 50);
NUMBER(TENON_OP_ATAN, 51);
NUMBER(TENON_OP_ATAN2, 52);
NUMBER(TENON_OP_SINH, 53);
NUMBER(TENON_OP_COSH, 54);
NUMBER(TENON_OP_ASINH, 55);
NUMBER(TENON_OP_ACOSH, 56);
NUMBER(TENON_OP_ATANH, 57);
NUMBER(TENON_OP_ERFC, 58);
NUMBER(TENON_OP_ERFINV, 59);
NUMBER(TENON_OP_LGAMMA, 60);
NUMBER(TENON_OP_DIGAMMA, 61);
NUMBER(TENON_OP_COPYSIGN, 62);
NUMBER(TENON_OP_SIGN, 63);
NUMBER(TENON_OP_MULHI, 64);

NUMBER(TENON_SUM, 1);
NUMBER(TENON_PROD, 2);
NUMBER(TENON_MIN, 3);
NUMBER(TENON_MAX, 4);
NUMBER(TENON_ANY, 5);
NUMBER(TENON_ALL, 6);
NUMBER(TENON_ARGMIN, 7);
NUMBER(TENON_ARGMAX, 8);
NUMBER(TENON_MOMENTS, 9);

NUMBER(TENON_LAUNCH_MAY_ALIAS, 1);
NUMBER(TENON_CALL_DRY_RUN, 1);
NUMBER(TENON_CALL_DETERMINISTIC, 2);
NUMBER(TENON_EPILOGUE_NONE, 0);
NUMBER(TENON_EPILOGUE_RELU, 1);
NUMBER(TENON_INDEX_ROWS, 0);
NUMBER(TENON_INDEX_ALONG, 1);
NUMBER(TENON_SCATTER_ASSIGN, 0);
NUMBER(TENON_SCATTER_ADD, 1);
NUMBER(TENON_DEVICE_HOST_ADDRESSABLE, 1);
NUMBER(TENON_BACKEND_SERIALIZE_CALLS, 1);
NUMBER(TENON_BACKEND_FORK_SAFE, 2);

int main() {}
