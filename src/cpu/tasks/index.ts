export { NEW_TASK_CHECKS } from './new-task';
export { previousTask } from './previous-task';
export { switchTaskBy, type TaskSwitch } from './task-switch';
