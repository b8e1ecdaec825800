// Per environment, EPISODE_WORDS words: the episode in progress, then what ended in this update.
const EPISODE_WORDS: u32 = 10u;
const EPISODE_RETURN: u32 = 0u; // f32
const EPISODE_ENVIRONMENT_RETURN: u32 = 1u; // f32
const EPISODE_LENGTH: u32 = 2u;
const ENDED_EPISODES: u32 = 3u;
const ENDED_RETURN: u32 = 4u; // f32
const ENDED_ENVIRONMENT_RETURN: u32 = 5u; // f32
const ENDED_LENGTH: u32 = 6u;
const EPISODE_COST: u32 = 7u; // f32
const ENDED_COST: u32 = 8u; // f32
