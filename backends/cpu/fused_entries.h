// The fused entries: softmax, cross entropy and layer norm along rows, each in one pass.
#ifndef TENON_BACKENDS_CPU_FUSED_ENTRIES_H_
#define TENON_BACKENDS_CPU_FUSED_ENTRIES_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

TenonStatus Softmax(TenonDevice, TenonStream, const TenonSoftmaxArgs* args, TenonCall* call,
                    TenonError* error) noexcept;
TenonStatus SoftmaxBackward(TenonDevice, TenonStream, const TenonSoftmaxBackwardArgs* args,
                            TenonCall* call, TenonError* error) noexcept;
TenonStatus CrossEntropy(TenonDevice, TenonStream, const TenonCrossEntropyArgs* args,
                         TenonCall* call, TenonError* error) noexcept;
TenonStatus LayerNorm(TenonDevice, TenonStream, const TenonLayerNormArgs* args, TenonCall* call,
                      TenonError* error) noexcept;
TenonStatus LayerNormBackward(TenonDevice, TenonStream, const TenonLayerNormBackwardArgs* args,
                              TenonCall* call, TenonError* error) noexcept;

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_FUSED_ENTRIES_H_
