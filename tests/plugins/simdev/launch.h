// From the arguments of a call to work that may run after the call has returned: everything is
// validated as far as it can be, copied, and enqueued. All throw tenon::plugin::Failure.
#ifndef TENON_TESTS_PLUGINS_SIMDEV_LAUNCH_H_
#define TENON_TESTS_PLUGINS_SIMDEV_LAUNCH_H_

#include "tests/plugins/simdev/device.h"

namespace simdev {

void LaunchKernel(Device& device, TenonStream stream, TenonKernel kernel,
                  const TenonLaunch* launch);
void Matmul(Device& device, TenonStream stream, const TenonMatmulArgs* args, TenonCall* call);
void Gather(Device& device, TenonStream stream, const TenonIndexArgs* args, TenonCall* call);
void Scatter(Device& device, TenonStream stream, const TenonIndexArgs* args, TenonCall* call);
void LaunchList(Device& device, TenonStream stream, TenonKernel kernel, const TenonLaunch* launches,
                uint32_t n);
void Softmax(Device& device, TenonStream stream, const TenonSoftmaxArgs* args, TenonCall* call);
void SoftmaxBackward(Device& device, TenonStream stream, const TenonSoftmaxBackwardArgs* args,
                     TenonCall* call);
void CrossEntropy(Device& device, TenonStream stream, const TenonCrossEntropyArgs* args,
                  TenonCall* call);
void LayerNorm(Device& device, TenonStream stream, const TenonLayerNormArgs* args, TenonCall* call);
void LayerNormBackward(Device& device, TenonStream stream, const TenonLayerNormBackwardArgs* args,
                       TenonCall* call);

}  // namespace simdev

#endif  // TENON_TESTS_PLUGINS_SIMDEV_LAUNCH_H_
